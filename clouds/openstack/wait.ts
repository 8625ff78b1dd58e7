import { until as untilAnswered } from '#clouds/until.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { formatDuration } from '#src/units.ts'

/** Looks until there is an answer; a look that throws ends it. */
export async function until<T>(
  what: string,
  limitMs: number,
  ctx: Context,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const tooSlow = () =>
    new FactoryError({
      code: 'openstack-too-slow',
      message: `${what}: the cloud was not done with it after ${formatDuration(limitMs)}`,
      hint: 'Run the same command again: it goes on with what is there.',
      class: 'timeout',
    })
  return await untilAnswered(limitMs, ctx, look, tooSlow)
}
