/** How many calls may be on their way at once: more while all goes well, half as many as soon as service or line pushes back. */
export interface Pace {
  /** Waits until one more call may start; to be answered by one `done`. */
  start(): Promise<void>
  done(outcome: 'answered' | 'failed'): void
  /** Pauses before a new try, and lets the tries of others be on their way meanwhile; no more calls begin for that. */
  rest(pause: () => Promise<void>): Promise<void>
  /** There were too many. */
  slowDown(): void
  readonly limit: number
}

/**
 * Whether a failure of this name says that there are too many calls: the service in words, the line by taking longer for
 * each than a try may. On a slow line nothing else says so, and as many tries as before would all be too late again.
 */
export function isPushedBack(name: string): boolean {
  return /Throttl|TooManyRequests|SlowDown|ServiceUnavailable|^(TimeoutError|AbortError)$/.test(name)
}

const first = 8
const least = 2

export function createPace(most: number): Pace {
  let limit = Math.min(first, most)
  /** Calls that have started and are not done, those that rest among them: each holds what it sends in memory. */
  let begun = 0
  let running = 0
  let answered = 0
  const waiting: (() => void)[] = []
  const rested: (() => void)[] = []

  function letIn(): void {
    while (running < limit) {
      const next = rested.shift() ?? newcomer()
      if (!next) return
      running += 1
      next()
    }
  }

  function newcomer(): (() => void) | undefined {
    if (begun >= limit) return undefined
    const next = waiting.shift()
    if (next) begun += 1
    return next
  }

  async function turn(queue: (() => void)[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    queue.push(resolve)
    letIn()
    await promise
  }

  return {
    get limit() {
      return limit
    },
    start: () => turn(waiting),
    async rest(pause) {
      running -= 1
      letIn()
      try {
        await pause()
      } finally {
        await turn(rested)
      }
    },
    done(outcome) {
      begun -= 1
      running -= 1
      if (outcome === 'answered') answered += 1
      // One more for every round that went well, as TCP does it.
      if (answered >= limit && limit < most) {
        limit += 1
        answered = 0
      }
      letIn()
    },
    slowDown() {
      limit = Math.max(least, Math.floor(limit / 2))
      answered = 0
    },
  }
}
