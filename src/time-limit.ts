import { FactoryError } from './errors.ts'

/**
 * Puts a deadline on a call: the call's signal is aborted at `limitMs` (milliseconds) and the failure says
 * which call it was. The outer signal still stops it earlier, with its own reason.
 */
export async function withTimeLimit<T>(
  what: string,
  limitMs: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
  hint?: string,
): Promise<T> {
  const deadline = AbortSignal.timeout(limitMs)
  const either = AbortSignal.any([signal, deadline])
  const stopped = Promise.withResolvers<never>()
  const stop = () => stopped.reject(either.reason)
  either.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    return await Promise.race([call(either), stopped.promise])
  } catch (error) {
    if (!deadline.aborted || signal.aborted) throw error
    throw new FactoryError({
      code: 'deadline-passed',
      message: `${what} did not finish within ${Math.round(limitMs / 1000)} s`,
      class: 'timeout',
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    })
  } finally {
    either.removeEventListener('abort', stop)
  }
}
