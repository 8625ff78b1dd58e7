import { expect, test } from 'vitest'
import { shareOf, shares } from './cloud-points.ts'

const points = [
  ...Array.from({ length: 2 * shares + 1 }, (_, number) => `append lease-acquired x86_64 #${number}`),
  ...['us-east-1', 'eu-west-1'].map((region) => `RunInstances ${region} #1`),
  'POST compute /servers #1',
  'POST compute /servers #2',
  'POST compute /servers/ID/metadata #1',
]
const kinds = ['append lease-acquired', 'RunInstances', 'POST compute /servers #', 'POST compute /servers/ID']

test('each run kills at every kind of point, and the shares of as many seeds in a row as there are shares are all points', () => {
  for (const first of [0, 1, 2, 1_764_151_200_000]) {
    const taken = Array.from({ length: shares }, (_, index) =>
      shareOf(points, (point) => point, first + index),
    )
    for (const share of taken) {
      for (const kind of kinds) expect(share.some((point) => point.startsWith(kind))).toBe(true)
    }
    expect(new Set(taken.flat())).toEqual(new Set(points))
  }
})
