/** Numbers from 0 to 1 that a seed repeats (mulberry32), so that a failing run can be run again. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The seed that was asked for, else one of the day's; said in any case. */
export function chooseSeed(): number {
  const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 2 ** 32)
  process.stderr.write(`chaos: CHAOS_SEED=${seed}\n`)
  return seed
}
