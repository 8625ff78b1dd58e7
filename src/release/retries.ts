import pRetry from 'p-retry'
import type { Context } from '#src/context.ts'
import { type FailureClass, asFactoryError } from '#src/errors.ts'

/** How often a failure of a class is tried again, beyond the first try; a class that is not named is never. */
export type Budget = Partial<Record<FailureClass, number>>

/**
 * What each kind of work is worth trying again. A person's error, a missing right, a used-up quota and a defect stay
 * what they are however often they are tried.
 */
export const budgets = {
  /** A whole build, each time on a fresh machine; a full disk gets one with twice the space. */
  build: { infra: 1, 'disk-full': 1 },
  /** Asked again under the same lease, a cloud hands out the same machine: an answer that was lost costs none. */
  rent: { infra: 1, timeout: 1 },
  /** Boots now and then fail by themselves, above all emulated ones. */
  verify: { infra: 1 },
  publish: { infra: 2, timeout: 1 },
  index: { infra: 2, timeout: 1 },
  giveBack: { infra: 3, timeout: 3, bug: 3, capacity: 3 },
} as const satisfies Record<string, Budget>

/** Counts down a budget: says whether one more try is left for a failure, and takes it. */
export function spender(budget: Budget): (error: unknown) => boolean {
  const left = new Map(Object.entries(budget))
  return (error) => {
    const { class: failureClass } = asFactoryError(error)
    const tries = left.get(failureClass) ?? 0
    left.set(failureClass, tries - 1)
    return tries > 0
  }
}

/** Tries again within the budget, after growing pauses with jitter so that several do not come at once. */
export async function withRetries<T>(
  what: string,
  budget: Budget,
  ctx: Context,
  call: () => Promise<T>,
): Promise<T> {
  const spend = spender(budget)
  return await pRetry(call, {
    retries: Object.values(budget).reduce((sum, tries) => sum + tries, 0),
    minTimeout: 1_000,
    maxTimeout: 30_000,
    randomize: true,
    signal: ctx.signal,
    shouldRetry: ({ error }) => spend(error),
    onFailedAttempt: ({ error, retriesLeft }) => {
      if (retriesLeft > 0) ctx.log(`${what} failed: ${error.message}`)
    },
  })
}

/** Milliseconds to wait before the n-th new try (from 1): growing, and never the same for two. */
export function pauseMs(tries: number): number {
  return Math.min(30_000, 1_000 * 2 ** tries) * (0.5 + Math.random())
}
