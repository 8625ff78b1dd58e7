import type { Context } from '#src/context.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import pRetry from 'p-retry'
import { asFactoryError } from '#src/errors.ts'
import { isExpired } from './credentials.ts'
import { awsFailure } from './failures.ts'

const callLimitMs = 3 * 60_000

/**
 * One call of a service, with a deadline over all of the SDK's own tries, stopped by the context's signal, and with a
 * failure that says what was being done and where. A session that has ended is asked for anew, once.
 */
export async function call<T>(
  what: string,
  region: string,
  ctx: Pick<Context, 'signal'>,
  send: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const once = () =>
    withTimeLimit(`${what} in ${region}`, callLimitMs, ctx.signal, (abortSignal) => send({ abortSignal }))
  try {
    return await once().catch((error: unknown) => {
      if (!isExpired(error)) throw error
      return once()
    })
  } catch (error) {
    ctx.signal.throwIfAborted()
    throw awsFailure(error, what, region)
  }
}

/** The same for clients that try once: what may pass by itself is asked again, so the call must be harmless to repeat. */
export async function callAgain<T>(
  what: string,
  region: string,
  ctx: Pick<Context, 'signal'>,
  send: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  return await pRetry(() => call(what, region, ctx, send), {
    retries: 5,
    minTimeout: 300,
    maxTimeout: 10_000,
    randomize: true,
    signal: ctx.signal,
    shouldRetry: ({ error }) => asFactoryError(error).class === 'infra',
  })
}
