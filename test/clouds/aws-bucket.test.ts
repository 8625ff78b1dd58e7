import { join } from 'node:path'
import { EBSClient } from '@aws-sdk/client-ebs'
import { DescribeImagesCommand, DescribeSnapshotsCommand, EC2Client } from '@aws-sdk/client-ec2'
import { execa } from 'execa'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Image } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { gather, imageKey, testContext } from '#test/contract/cloud.ts'
import { stalled } from '#test/servers/aws-front/effects.ts'
import { type AwsFront, startAwsFront } from '#test/servers/aws-front/front.ts'
import { type Moto, startMoto } from '#test/servers/moto.ts'
import { writeSnapshot } from '#test/servers/snapshot-bytes.ts'
import { type AwsBucketFixture, createAwsBucketFixture } from './aws-bucket-fixture.ts'
import { mainRegion } from './aws-fixture.ts'

const MiB = 1024 ** 2

let moto: Moto
let front: AwsFront
let fixture: AwsBucketFixture
beforeAll(async () => {
  moto = await startMoto()
  front = await startAwsFront({ upstream: moto.endpoint })
  fixture = await createAwsBucketFixture(front, { copyTo: [] })
})
beforeEach(() => front.forgetRequests())
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
  await front[Symbol.asyncDispose]()
  await moto[Symbol.asyncDispose]()
})

const calls = (action: string) => front.requests.filter((request) => request.action === action)

async function keyOf(artifact: Artifact) {
  return imageKey(await fixture.open(), fixture.owner, artifact, artifact.sha256.slice(0, 8))
}

async function publish(artifact: Artifact): Promise<Image> {
  return await (await fixture.open()).images!.publish(artifact, await keyOf(artifact), testContext())
}

async function leftovers() {
  return await gather((await fixture.open()).images!.leftovers(fixture.owner, testContext()))
}

/** The snapshot that an image stands on. */
async function snapshotOf({ id }: Image) {
  const ec2 = new EC2Client({ endpoint: front.endpoint, region: mainRegion })
  const { Images } = await ec2.send(new DescribeImagesCommand({ ImageIds: [id] }))
  const SnapshotId = Images![0]!.BlockDeviceMappings![0]!.Ebs!.SnapshotId!
  const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [SnapshotId] }))
  return Snapshots![0]!
}

/** The image holds the disk's bytes, and nothing but it is left. */
async function expectWhole(artifact: Artifact, image: Image): Promise<void> {
  const { SnapshotId, Tags } = await snapshotOf(image)
  const file = join(fixture.directory, `${SnapshotId}.raw`)
  const ebs = new EBSClient({ endpoint: front.endpoint, region: mainRegion })
  await writeSnapshot(ebs, SnapshotId!, file)
  await execa('cmp', ['-n', String(artifact.sizeBytes), artifact.path, file])
  expect(Tags).toEqual(expect.arrayContaining([{ Key: 'factory:sha256', Value: artifact.sha256 }]))
  expect(await fixture.inBucket()).toEqual([])
  expect(await leftovers()).toEqual([])
  await (await fixture.open()).images!.remove(image, testContext())
}

describe('an image by way of a bucket', () => {
  test('holds the very bytes of the disk, and the bucket nothing any more', async () => {
    const artifact = await fixture.newArtifact(130 * MiB + 512)
    const image = await publish(artifact)
    const sent = calls('UploadPart').map(({ bodyBytes }) => bodyBytes)
    expect(sent).toEqual([64 * MiB, 64 * MiB, 2 * MiB + 512])
    expect(calls('PutSnapshotBlock')).toEqual([])
    expect(calls('UploadPart')[0]!.parameters['Key']).toBe(
      `${fixture.owner}/sha256/${artifact.sha256}/test/x86_64.raw`,
    )
    await expectWhole(artifact, image)
  })

  test('after a kill sends only the parts that are not there yet', async () => {
    const artifact = await fixture.newArtifact(130 * MiB + 512)
    await fixture.killPublish(artifact, await keyOf(artifact), 2)
    front.forgetRequests()
    const image = await publish(artifact)
    expect(calls('CreateMultipartUpload')).toEqual([])
    expect(calls('UploadPart')).toHaveLength(1)
    await expectWhole(artifact, image)
  })

  test('after a kill between object and import sends nothing again', async () => {
    const artifact = await fixture.newArtifact()
    const stall = front.inject({ action: 'ImportSnapshot', effect: stalled() })
    await fixture.killPublish(artifact, await keyOf(artifact), stall.happened)
    stall.remove()
    front.forgetRequests()
    const image = await publish(artifact)
    expect(calls('UploadPart')).toEqual([])
    expect(calls('ImportSnapshot')).toHaveLength(1)
    await expectWhole(artifact, image)
  })

  test('after a kill whose import had begun, heard of or not, waits for that one', async () => {
    const artifact = await fixture.newArtifact()
    const stall = front.inject({ action: 'ImportSnapshot', effect: stalled(true) })
    await fixture.killPublish(artifact, await keyOf(artifact), stall.happened)
    stall.remove()
    front.forgetRequests()
    const image = await publish(artifact)
    expect(calls('UploadPart')).toEqual([])
    expect(calls('ImportSnapshot')).toEqual([])
    await expectWhole(artifact, image)
  })

  test('after a kill whose import ended while nobody listened takes its snapshot, which was a leftover until then', async () => {
    const artifact = await fixture.newArtifact()
    const stall = front.inject({ action: 'DescribeImportSnapshotTasks', after: 1, effect: stalled() })
    await fixture.killPublish(artifact, await keyOf(artifact), stall.happened)
    stall.remove()
    await fixture.endImports()
    const left = await leftovers()
    expect(left.map(({ id }) => id.replace(/[/-].*/, '')).toSorted()).toEqual(['s3:', 'snap'])
    for (const each of left)
      expect(each).toMatchObject({ owner: fixture.owner, arch: 'x86_64', release: 'test' })
    front.forgetRequests()
    const image = await publish(artifact)
    expect(calls('UploadPart')).toEqual([])
    expect(calls('ImportSnapshot')).toEqual([])
    await expectWhole(artifact, image)
  })

  test('of a content whose image was removed is made anew, whatever its old import says', async () => {
    const artifact = await fixture.newArtifact()
    await expectWhole(artifact, await publish(artifact))
    front.forgetRequests()
    const image = await publish(artifact)
    expect(calls('ImportSnapshot')).toHaveLength(1)
    await expectWhole(artifact, image)
  })
})

describe('what a publish by way of a bucket left', () => {
  test('is removed, but an object not before AWS has read it', async () => {
    const artifact = await fixture.newArtifact()
    const polls = front.settings.polls.import
    front.settings.polls.import = 5
    const stall = front.inject({ action: 'DescribeImportSnapshotTasks', after: 1, effect: stalled() })
    await fixture.killPublish(artifact, await keyOf(artifact), stall.happened)
    stall.remove()
    const { images } = await fixture.open()
    const [object] = await leftovers()
    expect(object).toMatchObject({ id: expect.stringMatching(/^s3:/), state: 'whole' })
    await images!.discard(object!, testContext())
    expect(await fixture.inBucket()).toHaveLength(1)
    front.settings.polls.import = polls
    await fixture.endImports()
    const left = await leftovers()
    expect(left).toHaveLength(2)
    for (const each of [...left, ...left]) await images!.discard(each, testContext())
    expect(await leftovers()).toEqual([])
    expect(await fixture.inBucket()).toEqual([])
  })

  test('is found and removed with exactly the rights that the doctor lists, and so is all else done', async () => {
    const { policy } = front.settings
    front.settings.policy = JSON.parse(fixture.completePolicy()) as typeof policy
    try {
      const image = await publish(await fixture.newArtifact(8 * MiB))
      const artifact = await fixture.newArtifact(8 * MiB)
      const stall = front.inject({ action: 'DescribeImportSnapshotTasks', after: 1, effect: stalled() })
      await fixture.killPublish(artifact, await keyOf(artifact), stall.happened)
      stall.remove()
      await fixture.endImports()
      const { images } = await fixture.open()
      const left = await leftovers()
      expect(left.map(({ state }) => state).toSorted()).toEqual(['completed', 'whole'])
      for (const each of left) await images!.discard(each, testContext())
      await images!.remove(image, testContext())
      expect(await leftovers()).toEqual([])
      expect(front.requests.filter(({ refusal }) => /Unauthorized|Denied/.test(refusal ?? ''))).toEqual([])
    } finally {
      front.settings.policy = policy
    }
  })

  test('ends so long after its last part, not after its beginning', async () => {
    const artifact = await fixture.newArtifact()
    const key = await keyOf(artifact)
    front.settings.clockSkewMs = -4 * 60_000
    await fixture.killPublish(artifact, key)
    front.settings.clockSkewMs = 0
    const [upload] = await leftovers()
    expect(upload).toMatchObject({ id: expect.stringMatching(/^s3:.*#/), state: 'unfinished' })
    const hours = (Date.parse(upload!.expires!) - Date.now()) / 3_600_000
    expect(hours).toBeGreaterThan(2.95)
    expect(hours).toBeLessThan(3.05)
    await (await fixture.open()).images!.discard(upload!, testContext())
    expect(await fixture.inBucket()).toEqual([])
  })
})
