/** Aborts its signal when the process is told to stop; a second time ends it at once. */
export function untilTold(): Disposable & { signal: AbortSignal } {
  const stop = new AbortController()
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const told = (name: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(130)
    process.stderr.write(`\n${name}: stopping; what is being built goes on without me\n`)
    stop.abort(new Error(`told to stop by ${name}`))
  }
  for (const name of names) process.on(name, told)
  return {
    signal: stop.signal,
    [Symbol.dispose]() {
      for (const name of names) process.off(name, told)
    },
  }
}

/** Waits until `stop`. What ends by itself before that has failed, and its failure is ours. */
export async function untilStopped(stop: AbortSignal, running: readonly Promise<void>[]): Promise<void> {
  const { promise: stopped, resolve } = Promise.withResolvers<void>()
  if (stop.aborted) resolve()
  stop.addEventListener('abort', () => resolve(), { once: true })
  const failures = running.map(async (one) => {
    await one.catch((error: unknown) => (stop.aborted ? undefined : Promise.reject(error as Error)))
    await stopped
  })
  await Promise.race([stopped, Promise.all(failures)])
}
