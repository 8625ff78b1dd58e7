import { FactoryError } from '#src/errors.ts'

/** Ctrl-C while another process does the work: only the watching ends. `seesRelease` says what there is to watch. */
export function whileWatching(seesRelease: () => boolean): Disposable & { signal: AbortSignal } {
  const stop = new AbortController()
  const interrupt = () =>
    stop.abort(new FactoryError({ code: 'interrupted', class: 'interrupted', ...ended(seesRelease()) }))
  return { signal: stop.signal, ...listening(interrupt) }
}

function ended(seesRelease: boolean): { message: string; hint: string } {
  if (!seesRelease) {
    const message = 'the waiting was ended; the other factory command goes on, and no release was begun'
    return { message, hint: 'Run the same command again: it waits until that one has ended.' }
  }
  const message = 'the watching was ended; the release goes on in the other process'
  return { message, hint: 'See how it is with: factory status' }
}

/**
 * Ctrl-C as the command line promises it: the first one stops the release and gives its builders back, the second
 * one detaches at once. Returns the signal for the engine; dispose of it to hear no more.
 */
export function onInterruption(resumeCommand: string): Disposable & { signal: AbortSignal } {
  const stop = new AbortController()
  const interrupt = (name: NodeJS.Signals) => {
    if (stop.signal.aborted) {
      process.stderr.write(`\nDetached. What is rented ends with its lease. Go on with: ${resumeCommand}\n`)
      process.exit(130)
    }
    stop.abort(
      new FactoryError({
        code: 'interrupted',
        message: 'the release was interrupted',
        hint: `Go on with: ${resumeCommand}`,
        class: 'interrupted',
      }),
    )
    process.stderr.write(`\n${name}: giving the builders back; once more detaches at once\n`)
  }
  return { signal: stop.signal, ...listening(interrupt) }
}

function listening(interrupt: (name: NodeJS.Signals) => void): Disposable {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of signals) process.on(name, interrupt)
  return {
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, interrupt)
    },
  }
}
