import { openSchedule } from '#src/config/schedule.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import { beginningOf, begins, ruleState } from './ticks.ts'
import type { Rule } from './types.ts'

/**
 * The schedule. A tick is called by its nominal time, and none that is not later than the last one ever comes again:
 * neither after a restart nor when the clock steps back. Times that were missed are one tick, the newest. What was before
 * the expression was seen for the first time does not count.
 */
export function cronRule(expression: string, timezone: string): Rule {
  const schedule = openSchedule(expression, timezone)
  const shown = `the schedule ${JSON.stringify(expression)} (${timezone})`
  /** The last time that is done with; undefined before the beginning. */
  const doneUntil = (state: FactoryState): number | undefined => {
    const rule = ruleState(state, 'cron')
    const beginning = beginningOf(rule, shown)
    if (beginning === undefined) return undefined
    return Math.max(beginning, ...rule.ticks.map(({ tick }) => Date.parse(tick)).filter(Number.isFinite))
  }
  let next: { after: number; at: number | undefined } | undefined
  return {
    name: 'cron',
    meaning: `on ${shown}`,
    overlap: 'skip',
    nextAt(state, now) {
      const until = doneUntil(state)
      if (until === undefined) return now
      if (next?.after !== until) next = { after: until, at: schedule.nextRun(new Date(until))?.getTime() }
      return next.at
    },
    async look(state, now) {
      const until = doneUntil(state)
      if (until === undefined) return begins(shown, now)
      // The reference itself is left out, and what is due right now is due.
      const [newest, before] = schedule.previousRuns(2, new Date(now + 1))
      if (newest === undefined || newest.getTime() <= until) return {}
      const missed = before !== undefined && before.getTime() > until
      const why = `${shown} was due on ${onTheClock(newest, timezone)}${missed ? ', the last of several times that were missed' : ''}`
      return { due: { rule: 'cron', tick: newest.toISOString(), why } }
    },
  }
}

/** `2026-11-30 04:00`, as the clock there shows it. */
function onTheClock(time: Date, timezone: string): string {
  // Sweden writes dates as ISO 8601 does.
  return new Intl.DateTimeFormat('sv-SE', {
    timeZone: timezone,
    dateStyle: 'short',
    timeStyle: 'short',
  }).format(time)
}
