/** How many calls may be on their way at once: more while all goes well, half as many as soon as the service pushes back. */
export interface Pace {
  /** Waits until one more call may start; to be answered by one `done`. */
  start(): Promise<void>
  done(outcome: 'answered' | 'failed'): void
  /** The service asked for fewer calls. */
  slowDown(): void
  readonly limit: number
}

const first = 8
const least = 2

export function createPace(most: number): Pace {
  let limit = Math.min(first, most)
  let running = 0
  let answered = 0
  const waiting: (() => void)[] = []

  function letIn(): void {
    while (running < limit) {
      const next = waiting.shift()
      if (!next) return
      running += 1
      next()
    }
  }

  return {
    get limit() {
      return limit
    },
    async start() {
      const turn = Promise.withResolvers<void>()
      waiting.push(turn.resolve)
      letIn()
      await turn.promise
    },
    done(outcome) {
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
