import type { FactoryError } from '#src/errors.ts'

export interface Patience {
  /** Milliseconds that one try may take. */
  tryMs: number
  /** Milliseconds after which a notice is no news any more. */
  deadlineMs: number
  /** Milliseconds of the first pause; doubled each time. */
  firstPauseMs: number
  longestPauseMs: number
  /** Notices that wait for one receiver. */
  mostWaiting: number
}

/** Half an hour outlives greylisting and the restart of a server. */
export const usualPatience: Patience = {
  tryMs: 20_000,
  deadlineMs: 30 * 60_000,
  firstPauseMs: 1_000,
  longestPauseMs: 120_000,
  mostWaiting: 100,
}

/**
 * Milliseconds before the next try, after `tries` of them; undefined when none is worth it. What the receiver asks for
 * counts, also where it is longer than any pause of ours.
 */
export function pauseAfter(error: FactoryError, tries: number, patience: Patience): number | undefined {
  if (!error.retryable) return undefined
  const asked = Number(error.context['retryAfterMs'] ?? 0)
  const grown = Math.min(patience.longestPauseMs, patience.firstPauseMs * 2 ** (tries - 1))
  return Math.max(asked, grown * (0.5 + Math.random() / 2))
}
