import { asFactoryError } from '#src/errors.ts'
import type { JournalRecord } from '#src/journal/records.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import type { Tick } from '#src/journal/rules.ts'
import { ruleState } from './ticks.ts'
import { type Due, type RuleName, type RulesOptions, type TickEnd, type Wish, ruleNames } from './types.ts'

/** Releases are made one at a time, in the order in which their ticks were taken. */
export interface Queue {
  /** Whether a release is under way or waits. */
  busy(): boolean
  /** Writes down that the tick is taken, and makes its release when its turn comes. */
  take(due: Due): void
  /** Writes down a tick that is over at once. */
  note(due: Due, end: TickEnd): void
  /** The tick of a wish that waits for its turn. */
  waiting(wish: Wish): string | undefined
  /** Resolves when nothing is under way. */
  settled(): Promise<void>
}

interface QueueOptions extends Pick<RulesOptions, 'journal' | 'makeRelease' | 'pauseAfter' | 'log'> {
  signal: AbortSignal
  onIdle(): void
  onBroken(error: unknown): void
}

/** Begins with the ticks that were taken and not done: whoever took them is gone. */
export function openQueue(options: QueueOptions): Queue {
  const { journal, signal, log } = options
  const dues = unfinished(journal.state())
  let working: Promise<void> | undefined

  async function work(): Promise<void> {
    for (let due = dues[0]; due !== undefined && !signal.aborted; due = dues[0]) {
      const end = await outcomeOf(due, options)
      if (end === undefined) return
      const records = recordsOf(due, end, options)
      journal.appendAll(records)
      log(`${due.rule}: ${shown(end)}`)
      for (const record of records)
        if (record.type === 'rule-paused') log(`${due.rule}: paused: ${record.why}`)
      dues.shift()
    }
  }

  function begin(): void {
    working ??= work()
      .catch(options.onBroken)
      .finally(() => {
        working = undefined
        // Taken after the last one was done, and before this was noticed.
        if (dues.length > 0 && !signal.aborted) begin()
        options.onIdle()
      })
  }

  for (const { rule, why } of dues) log(`${rule}: goes on with what was begun before: ${why}`)
  if (dues.length > 0) begin()
  return {
    busy: () => dues.length > 0,
    take(due) {
      journal.append(takenRecord(due))
      log(`${due.rule}: ${due.why}`)
      dues.push(due)
      begin()
    },
    note(due, end) {
      journal.appendAll([takenRecord(due), ...recordsOf(due, end, options)])
      log(`${due.rule}: ${due.why}: ${shown(end)}`)
    },
    waiting: (wish) => dues.slice(1).find((due) => due.wish && sameWish(due.wish, wish))?.tick,
    settled: async () => await working,
  }
}

function shown({ outcome, message }: TickEnd): string {
  return message === undefined ? outcome : `${outcome}: ${message}`
}

/** Undefined where somebody else goes on with the tick: the next start, or the engine that took over. */
async function outcomeOf(due: Due, { makeRelease, signal }: QueueOptions): Promise<TickEnd | undefined> {
  try {
    return await makeRelease(due)
  } catch (error) {
    if (signal.aborted) return undefined
    const known = asFactoryError(error)
    if (known.class === 'interrupted') throw error
    return { outcome: 'failed', message: known.message }
  }
}

function takenRecord({ rule, tick, why, seen, wish }: Due): JournalRecord {
  return {
    type: 'tick-taken',
    rule,
    tick,
    why,
    ...(seen === undefined ? {} : { seen }),
    ...(wish === undefined ? {} : { wish }),
  }
}

/** The end of the tick, and the pause that it leads to: together, so that no kill comes between them. */
function recordsOf(
  { rule, tick }: Due,
  end: TickEnd,
  { journal, pauseAfter }: QueueOptions,
): JournalRecord[] {
  const done: JournalRecord = { type: 'tick-done', rule, tick, ...end }
  const failures = ruleState(journal.state(), rule).failedInARow + 1
  if (rule === 'hand' || end.outcome !== 'failed' || failures < pauseAfter) return [done]
  const times = failures === 1 ? 'its last release' : `its last ${failures} releases`
  const why = `${times} failed, at last: ${end.message ?? 'see the log of the release'}`
  return [done, { type: 'rule-paused', rule, why }]
}

function unfinished(state: FactoryState): Due[] {
  return ruleNames
    .flatMap((rule) => ruleState(state, rule).ticks.map((tick) => ({ rule, tick })))
    .filter(({ tick }) => tick.outcome === undefined)
    .toSorted((a, b) => a.tick.takenAt - b.tick.takenAt)
    .map(({ rule, tick }) => dueAgain(rule, tick, state))
}

/**
 * What is forced is forced once: where a release was opened after the wish was written down, that is it, and a second call
 * only goes on with it.
 */
function dueAgain(rule: RuleName, { tick, why, seen, wish, takenAt }: Tick, { releases }: FactoryState): Due {
  const due = { rule, tick, why, ...(seen === undefined ? {} : { seen }) }
  if (wish === undefined) return due
  const opened = releases.some(({ openedAt }) => openedAt >= takenAt)
  const { force, ...unforced } = wish
  return { ...due, wish: force === true && opened ? unforced : wish }
}

function sameWish(one: Wish, other: Wish): boolean {
  const asked = ({ force, architectures, to }: Wish) => JSON.stringify([force ?? false, architectures, to])
  return asked(one) === asked(other)
}
