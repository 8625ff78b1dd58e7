import type { FactoryEvent, Listener, ReleaseOutcome } from '#src/events.ts'
import { engineAtWork, silentLimitMs } from '#src/journal/engine.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { StoredRecord } from '#src/journal/records.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import { sleep } from '#src/sleep.ts'
import { formatDuration } from '#src/units.ts'
import { releaseManifestFile } from './scope.ts'

/** How watching ended: with the release, or (no outcome) because its engine is gone. */
export interface ViewEnd {
  key?: string
  outcome?: ReleaseOutcome
}

const lookEveryMs = 300

/**
 * Watches the release that another process is making, from what that one writes into the journal, until the release is
 * closed or its engine gone. Changes nothing. Rejects with the signal's reason.
 */
export async function viewRelease(
  stateDirectory: string,
  listener: Listener,
  signal: AbortSignal,
): Promise<ViewEnd> {
  using journal = readJournal(stateDirectory)
  let watched: ReleaseState | undefined
  let seq = 0
  let toldSilent = false
  for (;;) {
    // In this order: what an engine wrote before it ended must be seen before its end is.
    const engine = engineAtWork(stateDirectory)
    const state = journal.state()
    watched ??= state.releases.findLast(
      ({ outcome, epoch }) => outcome === undefined && epoch === (engine ?? state.engine)?.epoch,
    )
    const records = watched ? ofRelease(journal.read(seq), watched.release, seq === 0) : []
    for (const record of records) {
      seq = record.seq
      for (const event of eventsOf(record, watched!, stateDirectory)) listener(event)
      if (record.type === 'release-closed') return { key: watched!.key, outcome: record.outcome }
    }
    if (!engine) return watched ? { key: watched.key } : {}
    if (engine.silentMs > silentLimitMs && !toldSilent) {
      toldSilent = true
      listener(silentWarning(state, engine.silentMs))
    }
    await sleep(lookEveryMs, signal)
  }
}

/** At first only what belongs to the present run of the release. */
function ofRelease(records: StoredRecord[], release: string, first: boolean): StoredRecord[] {
  const own = records.filter((record) => 'release' in record && record.release === release)
  const start = own.findLastIndex(({ type }) => type === 'release-opened' || type === 'release-resumed')
  return first ? own.slice(Math.max(0, start)) : own
}

function eventsOf(record: StoredRecord, watched: ReleaseState, stateDirectory: string): FactoryEvent[] {
  const { at } = record
  switch (record.type) {
    case 'release-opened':
    case 'release-resumed': {
      const { release, key, builds, destinations } = watched
      const resumed = record.type === 'release-resumed'
      return [{ type: 'release-started', at, release, key, resumed, builds, destinations }]
    }
    case 'step-started':
    case 'step-finished': {
      const { release: _, seq: __, epoch: ___, ...event } = record
      return [event as FactoryEvent]
    }
    case 'step-failed': {
      const { release: _, seq: __, epoch: ___, ...event } = record
      return [{ ...event, willRetry: false } as FactoryEvent]
    }
    case 'release-closed': {
      const { release, outcome, durationMs } = record
      const manifest = releaseManifestFile(stateDirectory, release)
      return [{ type: 'release-finished', at, release, outcome, manifest, durationMs }]
    }
    default:
      return []
  }
}

function silentWarning({ engine }: FactoryState, silentMs: number): FactoryEvent {
  const who = engine ? `process ${engine.pid} on ${engine.host}` : 'the other factory'
  return {
    type: 'warning',
    at: Date.now(),
    message: `${who}, which makes this release, has not shown a sign of life for ${formatDuration(silentMs)}: it may be stopped`,
    hint: 'Go on in its place with: factory release --take-over',
  }
}
