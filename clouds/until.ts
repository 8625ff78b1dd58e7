import type { Context } from '#src/context.ts'
import type { FactoryError } from '#src/errors.ts'

const firstPauseMs = 250
const longestPauseMs = 5_000
const firstRetryMs = 200
const longestRetryMs = 10_000

/** Looks until there is an answer; after `limitMs` it fails with what `tooSlow` makes. What cannot come any more `look` throws itself. */
export async function until<T>(
  limitMs: number,
  ctx: Context,
  look: () => Promise<T | undefined>,
  tooSlow: () => FactoryError,
): Promise<T> {
  const deadline = ctx.now() + limitMs
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 1.5)) {
    const answer = await look()
    if (answer !== undefined) return answer
    if (ctx.now() > deadline) throw tooSlow()
    await ctx.sleep(pauseMs)
  }
}

/** How long to wait after so many failed tries; at random, so that those that failed together do not come back together. */
export function retryPauseMs(tries: number): number {
  return Math.min(longestRetryMs, firstRetryMs * 2 ** tries) * (0.5 + Math.random())
}
