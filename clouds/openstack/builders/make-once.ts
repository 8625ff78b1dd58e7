import { retryPauseMs } from '#clouds/until.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { isRefusal, statusOf } from '../failures.ts'

/** What was made shows within seconds, also when the answer to its making was lost. */
const pausesMs = [0, 500, 1_000, 2_000, 4_000]
const mostTries = 3

/**
 * Makes something that the cloud has no token for. Whenever it was not refused outright at the first try, somebody may have
 * to pay for one, so it is looked for; only when it is not there it is asked for again.
 */
export async function makeOnce<T>(
  make: () => Promise<T>,
  look: () => Promise<T | undefined>,
  ctx: Context,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await make()
    } catch (caught) {
      ctx.signal.throwIfAborted()
      const error = asFactoryError(caught)
      if (tries === 1 && isRefusal(error)) throw error
      const found = await look().catch(undecided)
      if (found !== undefined) {
        ctx.log(`it was made although the answer was lost: ${error.message}`)
        return found
      }
      if (tries === mostTries || !mayBeAskedAgain(error)) throw error
      await ctx.sleep(retryPauseMs(tries))
    }
  }
}

/** Whether a failure leaves it open that something was made: it is of a look, not of the request. */
export function mayHaveMade(failure: unknown): boolean {
  return failure instanceof FactoryError && failuresOfLooks.has(failure)
}

const failuresOfLooks = new WeakSet<FactoryError>()

function undecided(error: unknown): never {
  const failure = asFactoryError(error)
  failuresOfLooks.add(failure)
  throw failure
}

/** Looks several times, for what a cloud shows only after a moment. */
export async function lookLonger<T>(
  look: () => Promise<T | undefined>,
  ctx: Context,
): Promise<T | undefined> {
  for (const pauseMs of pausesMs) {
    await ctx.sleep(pauseMs)
    const found = await look()
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * A request that nobody answered in time may still be on its way: it is for the next run to see what came of it. A proxy
 * that waited in vain says so with 504.
 */
function mayBeAskedAgain(error: FactoryError): boolean {
  return error.class === 'infra' && statusOf(error) !== 504
}
