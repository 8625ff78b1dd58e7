import { setImmediate as turn } from 'node:timers/promises'

/** Time that passes only when it is told to, and a clock on the wall that can be set. Milliseconds. */
export interface VirtualClock {
  /** What the clock on the wall shows, since 1970. */
  now(): number
  /** What really passed since the beginning. */
  elapsed(): number
  /** `owner` is whose sleep it is, so that it can be killed. */
  sleep(ms: number, signal: AbortSignal, owner?: object): Promise<void>
  /** Sets the clock on the wall forwards or backwards. */
  step(ms: number): void
  /** What the owner waited for never comes. */
  kill(owner: object): void
  /** Lets so much pass, one awaited moment after the other; `watch` is called whenever all is quiet. */
  pass(ms: number, watch?: () => void): Promise<void>
}

interface Timer {
  at: number
  owner: object | undefined
  fire(): void
}

export function virtualClock(start: string): VirtualClock {
  let elapsed = 0
  let shownAtStart = Date.parse(start)
  const timers = new Set<Timer>()
  return {
    now: () => shownAtStart + elapsed,
    elapsed: () => elapsed,
    step: (ms) => void (shownAtStart += ms),
    kill(owner) {
      for (const timer of timers) if (timer.owner === owner) timers.delete(timer)
    },
    sleep: (ms, signal, owner) =>
      new Promise((resolve, reject) => {
        const timer = { at: elapsed + Math.max(ms, 0), owner, fire: resolve }
        timers.add(timer)
        signal.addEventListener('abort', () => timers.delete(timer) && reject(signal.reason as Error), {
          once: true,
        })
      }),
    async pass(ms, watch) {
      const until = elapsed + ms
      for (;;) {
        await turn()
        watch?.()
        const next = [...timers].filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0]
        if (next === undefined) break
        elapsed = Math.max(elapsed, next.at)
        timers.delete(next)
        next.fire()
      }
      elapsed = until
    },
  }
}
