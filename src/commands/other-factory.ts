import { engineAtWork } from '#src/journal/engine.ts'
import type { FactoryState } from '#src/journal/replay.ts'

/** The process that holds the place of the engine. */
export interface OtherFactory {
  /** Absent as long as it has written nothing. */
  pid: number | undefined
  /** Whether it has a release open; `adopt` never has, and a release not before it has planned. */
  makesRelease: boolean
}

export function otherFactory(stateDirectory: string, state: FactoryState): OtherFactory {
  const epoch = (engineAtWork(stateDirectory) ?? state.engine)?.epoch
  const makesRelease = state.releases.some((one) => one.outcome === undefined && one.epoch === epoch)
  return { pid: state.engine?.epoch === epoch ? state.engine?.pid : undefined, makesRelease }
}

/** What who presses the button meanwhile is told. */
export function toldOf({ pid, makesRelease }: OtherFactory, takeOver: boolean): string {
  const process = pid === undefined ? '' : ` (process ${pid})`
  const who = makesRelease ? 'another factory' : `another factory command${process}`
  const how = takeOver ? 'is alive, so it is not gone past' : 'is at work on this configuration'
  const what = makesRelease
    ? 'watching it; Ctrl-C ends only the watching'
    : 'waiting for it; Ctrl-C ends only the waiting'
  return `${who} ${how}: ${what}`
}
