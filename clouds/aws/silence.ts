import type { Watched } from './credentials.ts'

/** A service that took requests and never said a word. */
class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/** Tries of one call that may pass without any answer. */
const mostSilentTries = 2

/**
 * Gives a call up at the second try without an answer. The SDK would go on for all of its tries, which are meant for
 * services that are out of breath and say so: minutes, in which nobody is told anything.
 */
export function giveUpSilence<T extends Watched>(client: T): T {
  const counting = (next: (request: unknown) => Promise<unknown>) => {
    let silentTries = 0
    return async (request: unknown) => {
      try {
        return await next(request)
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'TimeoutError') throw error
        silentTries += 1
        if (silentTries < mostSilentTries) throw error
        // Without the cause: the SDK would look there and try again.
        throw new NoAnswer('nothing came back, twice')
      }
    }
  }
  client.middlewareStack.add(counting as never, { step: 'finalizeRequest', name: 'giveUpSilence' } as never)
  return client
}
