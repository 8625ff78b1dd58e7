import { expect, test } from 'vitest'
import { shareOf, shares } from './cloud-points.ts'

test('the shares of as many seeds in a row as there are shares are all points, each once', () => {
  const points = Array.from(
    { length: 2 * shares + 1 },
    (_, number) => `append lease-acquired x86_64 #${number}`,
  )
  for (const first of [0, 1, 2, 1_764_151_200_000]) {
    const taken = Array.from({ length: shares }, (_, index) => shareOf(points, first + index))
    expect(Math.min(...taken.map(({ length }) => length))).toBeGreaterThan(1)
    expect(taken.flat().toSorted()).toEqual(points.toSorted())
  }
})
