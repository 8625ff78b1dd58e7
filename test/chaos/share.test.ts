import { expect, test } from 'vitest'
import { shareOf, shares } from './cloud-points.ts'

const points = Array.from({ length: 120 }, (_, number) => `after append lease-acquired x86_64 #${number}`)

test('the shares of as many seeds in a row as there are shares are all points, each once, and none is most of them', () => {
  for (const first of [0, 1, 2, 1_764_151_200_000]) {
    const taken = Array.from({ length: shares }, (_, index) => shareOf(points, first + index))
    for (const { length } of taken) expect(length).toBeLessThan(points.length / 3)
    expect(taken.flat().toSorted()).toEqual(points.toSorted())
  }
})

test('a point that a run has more changes nothing for the others', () => {
  const fewer = points.filter((_, index) => index % 7 !== 0)
  expect(shareOf(fewer, 3)).toEqual(shareOf(points, 3).filter((point) => fewer.includes(point)))
})
