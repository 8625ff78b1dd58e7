/** When to ask again what is asked over and over. */
export interface Polling {
  /** Milliseconds since 1970; not later than `now` when nothing was asked yet, or the clock has stepped back since. */
  nextAt(now: number): number
  succeeded(now: number): void
  /** Returns the pause in milliseconds; `atLeastMs` is what the other side asked for. */
  failed(now: number, atLeastMs?: number): number
}

const longestPauseMs = 3_600_000
const spread = 0.25

/**
 * Every so many milliseconds, and after failures later each time: the pause doubles up to an hour, a quarter more or less,
 * so that many who failed together do not come back together.
 */
export function pollEvery(everyMs: number, random: () => number = Math.random): Polling {
  let asked: { at: number; pauseMs: number } | undefined
  let failures = 0
  return {
    nextAt(now) {
      if (asked === undefined || asked.at > now) return now
      return asked.at + asked.pauseMs
    },
    succeeded(now) {
      failures = 0
      asked = { at: now, pauseMs: everyMs }
    },
    failed(now, atLeastMs = 0) {
      const doubled = Math.min(everyMs * 2 ** failures, Math.max(longestPauseMs, everyMs))
      failures += 1
      const pauseMs = Math.max(doubled * (1 - spread + 2 * spread * random()), atLeastMs)
      asked = { at: now, pauseMs }
      return pauseMs
    },
  }
}
