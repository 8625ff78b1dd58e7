import type { Context } from '#src/context.ts'

export interface TestContext extends Context {
  /** Every pause that was asked for, in milliseconds; none is really waited for. */
  readonly pauses: number[]
  readonly lines: string[]
}

/** A context whose clock stands still and whose pauses pass at once. */
export function testContext(signal: AbortSignal = new AbortController().signal): TestContext {
  const pauses: number[] = []
  const lines: string[] = []
  return {
    signal,
    pauses,
    lines,
    emit: () => undefined,
    log: (line) => void lines.push(line),
    now: () => Date.UTC(2026, 10, 21),
    sleep: async (ms) => void pauses.push(ms),
  }
}
