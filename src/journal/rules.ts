import type { JournalRecord, StoredRecord, TickOutcome } from './records.ts'

/** What the journal knows of one rule that starts releases by itself. */
export interface RuleState {
  /** Newest last; a tick without an outcome was taken and is not done: whoever starts next does it. */
  ticks: Tick[]
  /** Since the last tick that did not fail. */
  failedInARow: number
  /** By source: a git reference, an image reference. */
  seen: Map<string, string>
  paused?: { why: string; at: number }
}

export interface Tick {
  /** What makes it one and the same: the nominal time of a schedule, the value that was seen. */
  tick: string
  why: string
  takenAt: number
  seen?: readonly { source: string; value: string }[]
  wish?: Wish
  outcome?: TickOutcome
  doneAt?: number
  release?: string
  message?: string
}

type Wish = NonNullable<Extract<JournalRecord, { type: 'tick-taken' }>['wish']>

/** Older ticks than these, as far as they are done, are only in the journal. */
const keptTicks = 50

/** Whether the record was about a rule. */
export function applyRule(rules: Map<string, RuleState>, record: StoredRecord): boolean {
  if (!('rule' in record)) return false
  const rule = rules.get(record.rule) ?? { ticks: [], failedInARow: 0, seen: new Map<string, string>() }
  rules.set(record.rule, rule)
  switch (record.type) {
    case 'tick-taken': {
      if (rule.ticks.some((one) => one.tick === record.tick)) return true
      const { tick, why, at, seen, wish } = record
      rule.ticks.push({
        tick,
        why,
        takenAt: at,
        ...(seen === undefined ? {} : { seen }),
        ...(wish === undefined ? {} : { wish }),
      })
      const oldest = rule.ticks.findIndex(({ outcome }) => outcome !== undefined)
      if (rule.ticks.length > keptTicks && oldest !== -1) rule.ticks.splice(oldest, 1)
      return true
    }
    case 'tick-done':
      finishTick(rule, record)
      return true
    case 'source-seen':
      rule.seen.set(record.source, record.value)
      return true
    case 'rule-paused':
      rule.paused = { why: record.why, at: record.at }
      return true
    case 'rule-resumed':
      delete rule.paused
      rule.failedInARow = 0
      return true
  }
}

function finishTick(rule: RuleState, record: Extract<StoredRecord, { type: 'tick-done' }>): void {
  const { outcome, at, release, message } = record
  const tick = rule.ticks.findLast((one) => one.tick === record.tick)
  if (!tick || tick.outcome !== undefined) return
  Object.assign(tick, {
    outcome,
    doneAt: at,
    ...(release === undefined ? {} : { release }),
    ...(message === undefined ? {} : { message }),
  })
  if (outcome !== 'skipped') for (const { source, value } of tick.seen ?? []) rule.seen.set(source, value)
  if (outcome === 'failed') rule.failedInARow += 1
  else if (outcome !== 'skipped') rule.failedInARow = 0
}
