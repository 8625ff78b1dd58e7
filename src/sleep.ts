import { setTimeout as delay } from 'node:timers/promises'

/** Resolves after `ms` milliseconds; rejects with the signal's own reason, which Node's timer would wrap. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}
