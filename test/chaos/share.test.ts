import { expect, test } from 'vitest'
import { shareOf } from './cloud-points.ts'

const points = [
  ...[1, 2, 3, 4, 5, 6, 7].map((number) => `append lease-acquired x86_64 #${number}`),
  ...['us-east-1', 'eu-west-1'].map((region) => `RunInstances ${region} #1`),
  'POST compute /servers #1',
  'POST compute /servers #2',
  'POST compute /servers/ID/metadata #1',
]
const kinds = ['append lease-acquired', 'RunInstances', 'POST compute /servers #', 'POST compute /servers/ID']

test('each run kills at every kind of point, and the shares of three seeds in a row are all points', () => {
  for (const first of [0, 1, 2, 1_764_151_200_000]) {
    const shares = [first, first + 1, first + 2].map((seed) => shareOf(points, (point) => point, seed))
    for (const share of shares) {
      for (const kind of kinds) expect(share.some((point) => point.startsWith(kind))).toBe(true)
    }
    expect(new Set(shares.flat())).toEqual(new Set(points))
  }
})
