import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Rate } from '#src/cost.ts'
import { openJournal } from '#src/journal/journal.ts'
import type { JournalRecord } from '#src/journal/records.ts'
import type { PublishedImage } from '#src/journal/images.ts'
import { type Spent, costOf } from '#src/release/release-cost.ts'
import { options } from './planning.ts'

const gibibyte = 1024 ** 3
const usd = (amount: number) => ({ amount, currency: 'USD' })
const large = { what: 'm5.large', price: usd(0.36) }
const release = '20261121.0'

/** The records of a machine: asked for and then had, `rates` as its cloud told them. */
function machine(id: string, rates: readonly Rate[] | undefined, of = release): JournalRecord[] {
  const expires = new Date(10_000_000).toISOString()
  const lease = { id, owner: 'lab', release: of, arch: 'x86_64', expires } as const
  const address = { host: 'h', port: 22 }
  const reached = { address, user: 'root', hostPublicKey: 'k', ...(rates ? { rates } : {}) }
  return [
    { type: 'lease-taken', release: of, cloud: 'aws', lease, purpose: 'build', dataBytes: 1 },
    {
      type: 'lease-acquired',
      release: of,
      ref: { leaseId: id, arch: 'x86_64', machine: `i-${id}`, ...reached },
    },
  ]
}

const givenBack = (leaseId: string): JournalRecord => ({ type: 'lease-released', release, leaseId })

/** What a release cost by a journal of these records, each written so many seconds after 1970. */
function costAfter(
  history: readonly [second: number, records: JournalRecord[]][],
  more: Partial<Spent> = {},
) {
  const directory = mkdtempSync(join(tmpdir(), 'factory-cost-'))
  try {
    let at = 0
    {
      using journal = openJournal(directory, { now: () => at })
      for (const [second, records] of history) {
        at = second * 1000
        journal.appendAll(records)
      }
    }
    using reopened = openJournal(directory)
    const { leases } = reopened.state()
    const clouds = options().clouds
    const facts = { release, arch: 'x86_64', images: [], artifacts: [], clouds, now: at } as const
    return costOf({ ...facts, leases, ...more })
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('a machine costs from when it was asked for until it was given back, and so does the one that replaced it', () => {
  const volume = { what: 'a volume of 35 GiB', price: usd(0.0036) }
  const cost = costAfter([
    [100, machine('a', [large, volume])],
    [1_100, [givenBack('a')]],
    [1_200, machine('b', [large])],
    [1_205, [givenBack('b')]],
  ])
  expect(cost).toMatchObject({
    machines: [
      {
        machine: 'i-a',
        purpose: 'build',
        cloud: 'aws',
        seconds: 1000,
        rates: [
          { what: 'm5.large', hour: usd(0.36), amount: usd(0.1) },
          { what: 'a volume of 35 GiB', hour: usd(0.0036), amount: usd(0.001) },
        ],
      },
      { machine: 'i-b', seconds: 5, rates: [{ what: 'm5.large', amount: usd(0.0005) }] },
    ],
    'machines-total': [usd(0.1015)],
    'not-counted': [],
  })
  expect(cost.machines[0]).not.toHaveProperty('still-rented')
})

test('a machine that is kept costs until now, and one that nobody prolonged until its lease ended', () => {
  const kept = costAfter([
    [0, machine('a', [large])],
    [50, [{ type: 'lease-kept', release, leaseId: 'a' }]],
  ])
  expect(kept.machines).toMatchObject([{ seconds: 50, 'still-rented': true }])
  const late = costAfter([
    [0, machine('a', [large])],
    [99_000, [givenBack('a')]],
  ])
  expect(late.machines).toMatchObject([{ seconds: 10_000 }])
  const over = costAfter([[0, machine('a', [large])]], { now: 99_000_000 })
  expect(over.machines).toMatchObject([{ seconds: 10_000 }])
  expect(over.machines[0]).not.toHaveProperty('still-rented')
})

test('without a price there are seconds only, and what has none is named once', () => {
  const spot = { what: 'm5.large (spot)' }
  const cost = costAfter([
    [0, [...machine('a', [spot]), ...machine('b', [spot])]],
    [60, [givenBack('a'), givenBack('b')]],
  ])
  expect(cost.machines.map(({ seconds, rates }) => [seconds, rates])).toEqual([
    [60, [spot]],
    [60, [spot]],
  ])
  expect(cost['machines-total']).toEqual([])
  expect(cost['not-counted']).toEqual(['no price for m5.large (spot) in clouds.aws.prices'])
})

test('a journal from before there were prices is read, and its machines have seconds', () => {
  const cost = costAfter([
    [0, machine('a', undefined)],
    [60, [givenBack('a')]],
  ])
  expect(cost.machines).toMatchObject([{ seconds: 60, rates: [] }])
  expect(cost['not-counted']).toEqual(['aws has no prices for machines'])
})

test('machines of other releases, and leases that never got a machine, are not counted', () => {
  const [asked] = machine('b', undefined)
  const cost = costAfter([[0, [...machine('a', [large], '20261120.0'), asked!]]])
  expect(cost).toMatchObject({ machines: [], 'not-counted': [] })
})

test('a machine that was adopted from its cloud is named: nobody knows since when it ran', () => {
  const lease = { id: 'a', owner: 'lab', release, arch: 'x86_64', expires: '2026-11-21T00:00:00Z' } as const
  const cost = costAfter([[0, [{ type: 'lease-found', release, cloud: 'aws', lease }]]])
  expect(cost).toMatchObject({ machines: [], 'not-counted': [expect.stringContaining('is not known')] })
})

test('images cost by what they hold, in every region again', () => {
  const sha256 = 'a'.repeat(64)
  const disk = { arch: 'x86_64', format: 'raw', sha256, sizeBytes: 1, virtualBytes: 1 } as const
  const artifacts = [{ ...disk, contentBytes: 2 * gibibyte }]
  const published = (region: string, digest = sha256): PublishedImage => ({
    publishedAt: 0,
    image: {
      cloud: 'lab',
      kind: 'aws',
      region,
      arch: 'x86_64',
      id: 'i',
      name: 'lab-1',
      format: 'raw',
      sha256: digest,
      sizeBytes: 1,
      release,
    },
  })
  const { images, ...machines } = options().clouds.get('lab')!
  const rate = (region: string, bytes: number): Rate =>
    region === 'moon' ? { what: 'a snapshot' } : { what: 'a snapshot', price: usd((bytes / gibibyte) * 0.05) }
  const clouds = new Map([['lab', { ...machines, images: { ...images!, rate } }]])
  const regions = ['us-east-1', 'eu-west-1', 'moon'].map((region) => published(region))
  const cost = costAfter([], { images: [...regions, published('mars', 'b'.repeat(64))], artifacts, clouds })
  expect(cost.storage).toEqual([
    { cloud: 'lab', region: 'us-east-1', what: 'a snapshot', month: usd(0.1) },
    { cloud: 'lab', region: 'eu-west-1', what: 'a snapshot', month: usd(0.1) },
    { cloud: 'lab', region: 'moon', what: 'a snapshot' },
  ])
  expect(cost['storage-month']).toEqual([usd(0.2)])
  expect(cost['not-counted']).toEqual([
    'no price for a snapshot in clouds.lab.prices',
    'lab-1 in mars, whose size is not known',
  ])
})
