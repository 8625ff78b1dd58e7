import type { RuleState } from '#src/journal/rules.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import type { Look, RuleName } from './types.ts'

/** What the journal knows of a rule; nothing yet where it has no record. */
export function ruleState(state: FactoryState, rule: RuleName): RuleState {
  return state.rules.get(rule) ?? { ticks: [], failedInARow: 0, seen: new Map() }
}

/** The tick's name, with a number where the same thing made one before: a branch goes back to an older commit, too. */
export function freshTick({ ticks }: RuleState, name: string): string {
  let fresh = name
  for (let count = 2; ticks.some(({ tick }) => tick === fresh); count += 1) fresh = `${name} #${count}`
  return fresh
}

/** When a rule was seen for the first time, so that nothing before counts; milliseconds since 1970. */
export function beginningOf({ seen }: RuleState, source: string): number | undefined {
  const at = Date.parse(seen.get(source) ?? '')
  return Number.isNaN(at) ? undefined : at
}

/** Notes that the rule begins now. */
export function begins(source: string, now: number): Look {
  return { seen: [{ source, value: new Date(now).toISOString() }] }
}
