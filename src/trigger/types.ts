import type { TickOutcome } from '#src/journal/records.ts'
import type { FactoryState } from '#src/journal/replay.ts'

export const ruleNames = ['cron', 'inactivity', 'containerfile', 'base', 'hand'] as const
/** `hand` is people: a button, a call. */
export type RuleName = (typeof ruleNames)[number]

/** A reason to make a release: one and the same however often it is noticed, before and after a restart. */
export interface Due {
  rule: RuleName
  /** The nominal time of a schedule (RFC 3339), the value that was seen, the id of a call. */
  tick: string
  /** For people: `the schedule "0 4 * * 1" (Europe/Prague) was due on 2026-11-30 04:00`. */
  why: string
  /** What is seen when this tick is done: then it makes no further one. */
  seen?: { source: string; value: string }
  /** What a person asked for. */
  wish?: Wish
}

export interface Wish {
  by: string
  force?: boolean
  architectures?: readonly string[]
  to?: readonly string[]
}

/** One rule of `rebuild:`. */
export interface Rule {
  readonly name: RuleName
  /** In words, for the page: `at 04:00 on Mondays`. */
  readonly meaning: string
  /** When it is to be looked at next (milliseconds since 1970); in the past when it is due. Asks nobody. */
  nextAt(state: FactoryState, now: number): number | undefined
  /** What is due now. Several missed times of a schedule are one. Throws nothing for what will pass by itself: it tells `log`. */
  look(state: FactoryState, now: number, signal: AbortSignal): Promise<Due | undefined>
}

/** What a tick came to. */
export interface TickEnd {
  outcome: TickOutcome
  release?: string
  message?: string
}
