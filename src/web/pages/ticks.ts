const second = 1000
const minute = 60 * second
const hour = 60 * minute

const durationSteps = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * second),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * minute),
  ...[1, 2, 4, 6, 12, 24, 48].map((count) => count * hour),
]

/** From 0 to the highest value or just above, in steps that people count time by; milliseconds. */
export function durationTicks(highest: number): number[] {
  return ticks(highest, durationSteps)
}

/** The same in powers of two; bytes. */
export function byteTicks(highest: number): number[] {
  return ticks(
    highest,
    Array.from({ length: 45 }, (_, power) => 2 ** power),
  )
}

function ticks(highest: number, steps: readonly number[]): number[] {
  const step = steps.find((one) => highest / one <= 4) ?? steps.at(-1) ?? 1
  const last = Math.max(1, Math.ceil(highest / step))
  return Array.from({ length: last + 1 }, (_, index) => index * step)
}
