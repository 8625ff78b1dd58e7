import type { Journal } from '#src/journal/journal.ts'
import type { JournalRecord, TickOutcome } from '#src/journal/records.ts'
import type { FactoryState } from '#src/journal/replay.ts'

export const ruleNames = ['cron', 'inactivity', 'containerfile', 'base', 'hand'] as const
/** `hand` is people: a button, a call. */
export type RuleName = (typeof ruleNames)[number]

/** A reason to make a release: one and the same however often it is noticed, before and after a restart. */
export interface Due {
  rule: RuleName
  /** The nominal time of a schedule (RFC 3339), the change that was seen, the id of a call. */
  tick: string
  /** For people: `the schedule "0 4 * * 1" (Europe/Prague) was due on 2026-11-30 04:00`. */
  why: string
  /** What counts as seen when this tick is done, unless it was skipped: then it makes no further one. */
  seen?: readonly Seen[]
  /** What a person asked for. */
  wish?: Wish
  /** Why there is nothing to release: the tick is only written down. */
  nothingChanged?: string
}

/** What is behind a source now: a commit behind a git reference, a digest behind an image reference. */
export interface Seen {
  source: string
  value: string
}

export type Wish = NonNullable<Extract<JournalRecord, { type: 'tick-taken' }>['wish']>

/** What came of a look. */
export interface Look {
  due?: Due
  /** What makes no tick: what is seen for the first time, when a rule begins. */
  seen?: readonly Seen[]
  /** What could not be found out this time; the rule itself knows when it asks again. */
  trouble?: string
}

/** One rule of `rebuild:`. It only reads; whoever runs it writes the journal. */
export interface Rule {
  readonly name: RuleName
  /** In words, for the page: `on the schedule "0 4 * * 1" (Europe/Prague)`. */
  readonly meaning: string
  /** What becomes of a tick while a release is under way: it is skipped for good, or looked for again afterwards. */
  readonly overlap: 'skip' | 'wait'
  /** When it is to be looked at next (milliseconds since 1970); in the past when it is due. Asks nobody. */
  nextAt(state: FactoryState, now: number): number | undefined
  /**
   * What is due now. Several missed times of a schedule are one. When it throws, it is looked at again, later each time.
   */
  look(state: FactoryState, now: number, signal: AbortSignal): Promise<Look>
}

/** What a tick came to. */
export interface TickEnd {
  outcome: TickOutcome
  release?: string
  message?: string
}

export interface RulesOptions {
  rules: readonly Rule[]
  journal: Pick<Journal, 'append' | 'appendAll' | 'state'>
  /**
   * Makes the release that is due, or finds that there is nothing to do; one at a time. It is called again for a tick that
   * a kill left without an outcome, so the same tick twice must do no harm. What it throws is a failed tick, except when
   * `signal` was aborted: then the next start goes on with it.
   */
  makeRelease(due: Due): Promise<TickEnd>
  /** A rule whose releases failed so many times in a row is paused. */
  pauseAfter: number
  now(): number
  /** Rejects when the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
  signal: AbortSignal
  log(line: string): void
  /** Milliseconds after which clock and journal are looked at again, whatever was planned: they may have changed. */
  longestSleepMs?: number
}

export interface RunningRules {
  /** Resolves when `signal` was aborted and nothing is under way; rejects when the journal may not be written any more. */
  readonly ended: Promise<void>
  /** Something may have changed: the rule is looked at now, or as soon as nothing is under way. */
  poke(rule: RuleName): void
  /** A person asks for a release. Written down when it returns; the same wish twice in the queue is one tick. */
  press(wish: Wish): { tick: string }
  /** Lets a paused rule go on. */
  resume(rule: RuleName, by: string): void
  /** Of the rules whose last look failed. */
  troubles(): ReadonlyMap<RuleName, Trouble>
}

export interface Trouble {
  message: string
  /** Milliseconds since 1970. */
  since: number
}
