import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openStore } from '#src/artifact/store.ts'
import { secretsDirectory } from '#src/builder/keys.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import type { AwsFront } from '#test/servers/aws-front/front.ts'
import { writeSnapshot } from '#test/servers/snapshot-bytes.ts'
import { type RegionHoldings, holdingsIn, mark } from './aws-account.ts'
import { blocksWithContent } from './aws-disk.ts'
import { regions } from './aws-scene.ts'
import { expectOneRelease } from './world.ts'

/** A state directory, and an account of AWS that belongs to it alone. */
export interface AwsWorld {
  readonly directory: string
  readonly front: AwsFront
}

/** What was rented must be written down first: no machine lives that the journal does not know as rented. */
export async function expectNoUnknownMachine({ directory, front }: AwsWorld, after: string): Promise<void> {
  const open = stateIn(directory).leases.filter(({ released }) => !released)
  for (const { machines } of await holdingsOf(front)) {
    for (const { Tags, State } of machines) {
      if (State?.Name === 'terminated') continue
      expect(
        open.map(({ lease }) => lease.id),
        after,
      ).toContain(mark(Tags, 'lease'))
    }
  }
}

/**
 * What must hold when the release of one architecture was cut off once and then run to its end. The account holds nothing
 * but the images and what they stand on: one in each region, whose snapshot is the disk to the byte. For each lease one
 * machine was started, and it has ended; the journal says the same.
 */
export async function expectOneOfEverythingOnAws(world: AwsWorld, after: string): Promise<void> {
  const { directory, front } = world
  const state = stateIn(directory)
  const holdings = await holdingsOf(front)
  const machines = holdings.flatMap((one) => one.machines)
  expect(
    machines.filter(({ State }) => State?.Name !== 'terminated').map(({ InstanceId }) => InstanceId),
    after,
  ).toEqual([])
  // A lease that was taken before its keys were made is given up for another one; nothing was asked for under it.
  const purposes = machines.map(({ Tags }) => {
    const taken = state.leases.find(({ lease }) => lease.id === mark(Tags, 'lease'))
    return taken && `${taken.purpose} ${taken.target ?? ''}`
  })
  const expected = ['build ', ...regions.map((region) => `verify lab/${region}`)]
  expect(purposes.toSorted(), after).toEqual(expected.toSorted())
  const open = state.leases.filter(({ released }) => !released)
  expect(
    open.map(({ lease }) => lease.id),
    after,
  ).toEqual([])
  expectOneRelease(directory, regions.length, after)
  for (const holding of holdings) await expectOneImage(directory, state, holding, after)
  const keys = await secretsDirectory()
  const kept = state.leases.filter(({ lease }) => existsSync(join(keys, lease.id)))
  expect(kept, after).toEqual([])
  const left = readdirSync(join(directory, 'state', 'clouds', 'lab'), { recursive: true })
  expect(left, after).toEqual(['leases'])
  const broken = front.requests.filter(({ refusal }) => refusal === 'FrontBroken')
  expect(broken, after).toEqual([])
}

async function expectOneImage(
  directory: string,
  state: FactoryState,
  { region, ebs, images, snapshots, others }: RegionHoldings,
  after: string,
): Promise<void> {
  const [artifact] = [...state.collected.values()].flatMap(({ artifacts }) => artifacts)
  const known = state.releases[0]?.images.find(({ image }) => image.region === region)?.image
  const where = `${after}, in ${region}`
  expect(images, where).toHaveLength(1)
  const [ami] = images
  expect(ami, where).toMatchObject({ ImageId: known?.id, State: 'available', Architecture: 'x86_64' })
  expect(ami?.DeprecationTime, where).toBeDefined()
  const marks = Object.fromEntries(['sha256', 'ready'].map((name) => [name, mark(ami?.Tags, name)]))
  expect(marks, where).toEqual({ sha256: artifact?.sha256, ready: 'yes' })
  const own = ami?.BlockDeviceMappings?.map(({ Ebs }) => Ebs?.SnapshotId)
  expect(snapshots, where).toEqual(own)
  expect(others, where).toEqual([])

  const copy = join(directory, `${region}.raw`)
  const { blocks } = await writeSnapshot(ebs, snapshots[0]!, copy)
  const disk = readFileSync(openStore(join(directory, 'state')).path(artifact!.sha256))
  expect(blocks, where).toBe(blocksWithContent)
  expect((await beginningOf(copy, disk.length)).equals(disk), `${where}: bytes of ${snapshots[0]}`).toBe(true)
}

async function beginningOf(path: string, sizeBytes: number): Promise<Buffer> {
  await using file = await openFile(path)
  const { buffer } = await file.read(Buffer.alloc(sizeBytes), 0, sizeBytes, 0)
  return buffer
}

async function holdingsOf(front: AwsFront): Promise<RegionHoldings[]> {
  return await Promise.all(regions.map((region) => holdingsIn(front, region)))
}

function stateIn(directory: string): FactoryState {
  using journal = readJournal(join(directory, 'state'))
  return journal.state()
}
