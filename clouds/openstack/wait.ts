import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { formatDuration } from '#src/units.ts'

const firstPauseMs = 250
const longestPauseMs = 5_000
const firstRetryMs = 200
const longestRetryMs = 10_000

/** Looks until there is an answer; a look that throws ends it. */
export async function until<T>(
  what: string,
  limitMs: number,
  ctx: Context,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = ctx.now() + limitMs
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 1.5)) {
    const answer = await look()
    if (answer !== undefined) return answer
    if (ctx.now() > deadline) {
      throw new FactoryError({
        code: 'openstack-too-slow',
        message: `${what}: the cloud was not done with it after ${formatDuration(limitMs)}`,
        hint: 'Run the same command again: it goes on with what is there.',
        class: 'timeout',
      })
    }
    await ctx.sleep(pauseMs)
  }
}

/** How long to wait after so many failed tries; at random, so that those that failed together do not come back together. */
export function retryPauseMs(tries: number): number {
  return Math.min(longestRetryMs, firstRetryMs * 2 ** tries) * (0.5 + Math.random())
}
