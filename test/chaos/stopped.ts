import { readFileSync, readdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** The kernel's word for it; a process that ends instead is a failure of its own. */
export async function untilStopped(pid: number): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await delay(20)) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')) return
  }
  throw new Error(`process ${pid} did not stop`)
}

/** Lets the engines of a state directory look as if they had shown no sign of life for a minute. */
export function ageLocks(stateDirectory: string): void {
  const aMinuteAgo = new Date(Date.now() - 60_000)
  for (const name of readdirSync(stateDirectory)) {
    if (name.endsWith('.lock')) utimesSync(join(stateDirectory, name), aMinuteAgo, aMinuteAgo)
  }
}
