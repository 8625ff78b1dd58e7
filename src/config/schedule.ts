import { Cron } from 'croner'
import { didYouMean } from './suggest.ts'

/**
 * The times of a cron expression on the clock of a time zone; it only computes, no timer is set. A time that the clock
 * leaves out in spring is at the first one after the gap, and one that it shows twice in autumn is once; only with `*`
 * or a step in minute or hour they are all the times that the clock shows.
 */
export function openSchedule(expression: string, timezone: string): Cron {
  return new Cron(expression, { timezone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true })
}

/** What is wrong with a cron expression, as the end of a sentence; undefined when it is one. */
export function scheduleProblem(expression: string): string | undefined {
  const shown = JSON.stringify(expression)
  try {
    if (openSchedule(expression, 'UTC').nextRun() !== null) return undefined
    return `${shown} is never: there is no such day`
  } catch (error) {
    const fields = expression.trim().split(/\s+/).length
    const reason =
      fields === 5 ? (error as Error).message.replace(/^Cron\w*: /, '') : `it has ${fields} fields, not five`
    return `${shown} is no schedule (minute, hour, day of month, month, day of week): ${reason}`
  }
}

/** What is wrong with the name of a time zone, as the end of a sentence; undefined when this machine knows it. */
export function timezoneProblem(timezone: string): string | undefined {
  try {
    openSchedule('0 0 * * *', timezone).nextRun()
    return undefined
  } catch {
    const known = Intl.supportedValuesOf('timeZone')
    const meant = didYouMean(timezone, known)
    const suggestion = meant.startsWith('; known') ? ': write it like "Europe/Prague"' : meant
    return `there is no time zone ${JSON.stringify(timezone)}${suggestion}`
  }
}
