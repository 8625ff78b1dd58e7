import { Refusal } from './refusal.ts'

/** What was asked for with a client token, and what came of it. */
export interface Tokens {
  /**
   * Does it the first time, gives the same result to the same request again, and `mismatch` to another request with the
   * same token. A repetition that comes while the first one is still being done waits for it. Without a token it is done.
   */
  once<T>(use: TokenUse<T>): Promise<T>
}

export interface TokenUse<T> {
  /** Operation and region: tokens of different operations have nothing to do with each other. */
  readonly scope: string
  readonly token: string | undefined
  /** Everything that makes it the same request. */
  readonly fingerprint: string
  readonly mismatch: () => Error
  readonly first: () => Promise<T>
}

export function openTokens(): Tokens {
  const known = new Map<string, { fingerprint: string; result: Promise<unknown> }>()
  return {
    async once<T>({ scope, token, fingerprint, mismatch, first }: TokenUse<T>): Promise<T> {
      if (token === undefined || token === '') return first()
      const key = `${scope} ${token}`
      const before = known.get(key)
      if (before && before.fingerprint !== fingerprint) throw mismatch()
      if (before) return before.result as Promise<T>
      const result = first()
      known.set(key, { fingerprint, result })
      // A request that was refused has used no token.
      result.catch(() => known.delete(key))
      return result
    },
  }
}

/** EC2's word for a token that stands for another request. */
export function idempotentMismatch(): Refusal {
  return new Refusal({
    code: 'IdempotentParameterMismatch',
    message:
      'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
  })
}
