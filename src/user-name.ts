import { userInfo } from 'node:os'

/** Of this process; `uid N` where the system has no name for it, as in some containers. */
export function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.()}`
  }
}
