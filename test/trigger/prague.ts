/* The clock of Prague in 2026, by hand: what the schedule computes is held against this. */

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
/** At 02:00 the clock was set to 03:00, and at 03:00 back to 02:00. */
export const summerBegins = Date.parse('2026-03-29T01:00:00Z')
export const summerEnds = Date.parse('2026-10-25T01:00:00Z')
const yearBegins = Date.parse('2025-12-31T23:00:00Z')
const yearEnds = Date.parse('2026-12-31T23:00:00Z')

export interface WallClock {
  /** 0 is Sunday. */
  weekday: number
  hour: number
  minute: number
}

/** Every minute of the year at which the clock shows what is asked for: twice in the hour that comes twice. */
export function everyTime(matches: (clock: WallClock) => boolean): number[] {
  const times: number[] = []
  for (let at = yearBegins; at < yearEnds; at += minuteMs) if (matches(wallClock(at))) times.push(at)
  return times
}

/** Once on each day for which `on` holds: in the gap at its end, in the doubled hour the first time. */
export function onceADay(hour: number, minute: number, on: (weekday: number) => boolean): number[] {
  const times: number[] = []
  for (let noon = yearBegins + 12 * hourMs; noon < yearEnds; noon += dayMs) {
    const midnight = midnightBefore(noon)
    const { weekday } = wallClock(midnight)
    if (!on(weekday)) continue
    for (let at = midnight; at < midnight + 25 * hourMs; at += minuteMs) {
      const clock = wallClock(at)
      const inGap = at === summerBegins && hour === 2
      if ((clock.hour === hour && clock.minute === minute) || inGap) {
        times.push(at)
        break
      }
    }
  }
  return times
}

function wallClock(at: number): WallClock {
  const summer = at >= summerBegins && at < summerEnds
  const shown = new Date(at + (summer ? 2 : 1) * hourMs)
  return { weekday: shown.getUTCDay(), hour: shown.getUTCHours(), minute: shown.getUTCMinutes() }
}

function midnightBefore(noon: number): number {
  for (let at = noon; ; at -= minuteMs) {
    const { hour, minute } = wallClock(at)
    if (hour === 0 && minute === 0) return at
  }
}
