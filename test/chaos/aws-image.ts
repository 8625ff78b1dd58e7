import { readFileSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openStore } from '#src/artifact/store.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import { writeSnapshot } from '#test/servers/snapshot-bytes.ts'
import { type RegionHoldings, mark } from './aws-account.ts'
import type { AwsCloud } from './aws-cloud.ts'
import { blocksWithContent } from './cloud-disk.ts'
import { expectOneOfEveryMachine, stateIn } from './cloud-world.ts'
import type { CloudWorld } from './cloud-worlds.ts'

/** One of everything, and the image of each region stands on a snapshot that is the disk to the byte. */
export async function expectOneOfEverythingOnAws(world: CloudWorld<AwsCloud>, after: string): Promise<void> {
  await expectOneOfEveryMachine(world, after)
  const { directory, cloud } = world
  const state = stateIn(directory)
  for (const holding of await cloud.holdings()) await expectOneImage(directory, state, holding, after)
}

async function expectOneImage(
  directory: string,
  state: FactoryState,
  { region, ebs, images, snapshots }: RegionHoldings,
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
