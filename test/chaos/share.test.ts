import { expect, test } from 'vitest'
import { shareOf, shares } from './cloud-points.ts'

const kinds = ['after append lease-acquired', 'after RunInstances', 'before RunInstances']
const points = kinds.flatMap((kind) =>
  Array.from({ length: 2 * shares + 1 }, (_, number) => `${kind} us-east-1 #${number}`),
)

test('the shares of as many seeds in a row as there are shares are all points, each once, and alike in size', () => {
  for (const first of [0, 1, 2, 1_764_151_200_000]) {
    const taken = Array.from({ length: shares }, (_, index) => shareOf(points, first + index))
    const sizes = taken.map(({ length }) => length)
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThan(2)
    expect(taken.flat().toSorted()).toEqual(points.toSorted())
    for (const share of taken) {
      for (const kind of kinds) expect(share.some((point) => point.startsWith(kind))).toBe(true)
    }
  }
})

test('points that come in another order are in the same shares', () => {
  expect(shareOf(points.toReversed(), 3)).toEqual(shareOf(points, 3))
})
