import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { call } from '../call.ts'
import { awsErrorName } from '../failures.ts'

/**
 * What one look says about a right. `call`: the thing itself was done, a look or a canary's; `dry run`: AWS was asked
 * whether it would be, about real things; `dry run on nothing`: about something that does not exist; `simulation`: IAM
 * was asked what its policies say.
 */
export interface Signal {
  action: string
  region: string
  verdict: 'granted' | 'denied' | 'unknown'
  by: 'call' | 'dry run' | 'dry run on nothing' | 'simulation'
  /** Why it is not known. */
  said?: string
}

export type Probe = {
  action: string
  by: Signal['by']
  send(options: { abortSignal: AbortSignal }): Promise<unknown>
  /** Names of errors that only come when the right is there. */
  proof?: RegExp
}

/**
 * Tries a right. That somebody may not is only what AWS says in so many words; every other failure says nothing. A call
 * may need more than one right: then the refusal names the one that is missing.
 */
export async function tryRight(
  { action, by, send, proof }: Probe,
  region: string,
  ctx: Pick<Context, 'signal'>,
): Promise<Signal[]> {
  try {
    await call(`trying ${action}`, region, ctx, send)
    return [{ action, region, verdict: 'granted', by }]
  } catch (error) {
    ctx.signal.throwIfAborted()
    const name = awsErrorName(error)
    if (name === 'DryRunOperation' || proof?.test(name)) return [{ action, region, verdict: 'granted', by }]
    const said = error instanceof Error ? error.message : String(error)
    if (!isDenial(error)) return [{ action, region, verdict: 'unknown', by, said }]
    const [, missing = action] = /not authorized to perform:? (\w+:\w+)/.exec(said) ?? []
    const denied: Signal = { action: missing, region, verdict: 'denied', by }
    return missing === action ? [denied] : [denied, { action, region, verdict: 'unknown', by, said }]
  }
}

function isDenial(error: unknown): boolean {
  return error instanceof FactoryError && error.code === 'aws-permission'
}
