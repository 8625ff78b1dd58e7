import { type EngineAtWork, engineAtWork, silentLimitMs } from '#src/journal/engine.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import { formatDuration } from '#src/units.ts'
import { spelled } from './spelling.ts'

/** Who makes an open release, as far as it is written down. */
export interface ReleaseEngine extends EngineAtWork {
  pid?: number
  host?: string
  startedAt?: number
}

/** The engine that is at work on a release; undefined when it is closed, or was cut off. */
export function engineOf(
  stateDirectory: string,
  state: FactoryState,
  release: ReleaseState,
): ReleaseEngine | undefined {
  // An engine makes one release: the newest that is open.
  if (release !== state.releases.findLast(({ outcome }) => outcome === undefined)) return undefined
  const working = engineAtWork(stateDirectory)
  if (working?.epoch !== release.epoch) return undefined
  if (state.engine?.epoch !== working.epoch) return working
  const { pid, host, startedAt } = state.engine
  return { ...working, pid, host, startedAt }
}

/** How an open release is, and the command to go on with it. */
export function engineText(engine: ReleaseEngine | undefined): string {
  if (engine === undefined) return `cut off; go on with: ${spelled('factory release')}`
  const { pid, host, silentMs } = engine
  const who = pid === undefined ? 'another factory' : `process ${pid} on ${host}`
  if (silentMs <= silentLimitMs)
    return `running: ${who} is at work; watch it with: ${spelled('factory release')}`
  const silent = `${who} has not shown a sign of life for ${formatDuration(silentMs)}`
  return `${silent}; go on in its place with: ${spelled('factory release --take-over')}`
}
