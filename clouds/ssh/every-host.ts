import type { Context } from '#src/context.ts'
import { type FactoryError, asFactoryError } from '#src/errors.ts'
import type { Host } from './hosts.ts'

/** What the hosts answered side by side, in their order; `failure` is the first one of a host that did not. */
export async function askEvery<T>(
  hosts: readonly Host[],
  ctx: Context,
  ask: (host: Host) => Promise<T>,
): Promise<{ answers: { host: Host; answer: T }[]; failure?: FactoryError }> {
  const asked = await Promise.allSettled(hosts.map(ask))
  ctx.signal.throwIfAborted()
  const answers = asked.flatMap((each, index) =>
    each.status === 'fulfilled' ? [{ host: hosts[index]!, answer: each.value }] : [],
  )
  const failed = asked.find((each) => each.status === 'rejected')
  return failed ? { answers, failure: asFactoryError(failed.reason) } : { answers }
}
