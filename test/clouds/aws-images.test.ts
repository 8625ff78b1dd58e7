import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { EBSClient } from '@aws-sdk/client-ebs'
import { DescribeImagesCommand, DescribeSnapshotsCommand, EC2Client } from '@aws-sdk/client-ec2'
import { execa } from 'execa'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Image } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { gather, imageKey, testContext } from '#test/contract/cloud.ts'
import { cut, stalled } from '#test/servers/aws-front/effects.ts'
import { type AwsFront, startAwsFront } from '#test/servers/aws-front/front.ts'
import { type Moto, startMoto } from '#test/servers/moto.ts'
import { writeSnapshot } from '#test/servers/snapshot-bytes.ts'
import { type AwsImagesFixture, createAwsImagesFixture, mainRegion, otherRegion } from './aws-fixture.ts'

const MiB = 1024 ** 2
const blockBytes = 512 * 1024

let moto: Moto
let front: AwsFront
let fixture: AwsImagesFixture
beforeAll(async () => {
  moto = await startMoto()
  front = await startAwsFront({ upstream: moto.endpoint })
  fixture = await createAwsImagesFixture(front.endpoint)
})
beforeEach(() => front.forgetRequests())
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
  await front[Symbol.asyncDispose]()
  await moto[Symbol.asyncDispose]()
})

const calls = (action: string) => front.requests.filter((request) => request.action === action)

async function describeAmi({ id, region }: Image) {
  const ec2 = new EC2Client({ endpoint: front.endpoint, region })
  return (await ec2.send(new DescribeImagesCommand({ ImageIds: [id] }))).Images![0]!
}

/** The disk that an image stands on, read back through the API. */
async function readBack(image: Image, file: string) {
  const ami = await describeAmi(image)
  const snapshotId = ami.BlockDeviceMappings![0]!.Ebs!.SnapshotId!
  const ebs = new EBSClient({ endpoint: front.endpoint, region: image.region })
  return await writeSnapshot(ebs, snapshotId, file)
}

async function publish(artifact: Artifact, name: string, region = mainRegion): Promise<Image> {
  const cloud = await fixture.open()
  return await cloud.images!.publish(
    artifact,
    { ...imageKey(cloud, fixture.owner, artifact, name), region },
    testContext(),
  )
}

describe('images on AWS', () => {
  test('hold the very bytes of the disk, of which only blocks with content were sent', async () => {
    const artifact = await fixture.makeArtifact('sparse.raw', 1200 * MiB + 512, [
      [0, randomBytes(512)],
      [3 * MiB - 5, randomBytes(10)],
      [500 * MiB, Buffer.alloc(4 * MiB)],
      [1000 * MiB + 4096, randomBytes(6 * MiB)],
      [1200 * MiB, randomBytes(512)],
    ])
    const image = await publish(artifact, 'bytes')
    // First, last, the two that ten bytes lie across, and the 13 that 6 MiB beginning within a block touch.
    expect(calls('PutSnapshotBlock')).toHaveLength(1 + 2 + 13 + 1)
    const file = join(fixture.directory, 'read-back.raw')
    const { sizeBytes, blocks } = await readBack(image, file)
    expect(blocks).toBe(17)
    expect(sizeBytes).toBe(2 * 1024 ** 3)
    await execa('cmp', ['-n', String(artifact.sizeBytes), artifact.path, file])
    await (await fixture.open()).images!.remove(image, testContext())
  })

  test('are registered as what they are', async () => {
    const artifact = await fixture.makeArtifact('arm.raw', 8 * MiB, [[0, randomBytes(MiB)]])
    const image = await publish({ ...artifact, arch: 'aarch64' }, 'registered')
    expect(await describeAmi(image)).toMatchObject({
      Name: expect.stringMatching(/^registered-aarch64-[0-9a-f]{12}$/),
      Architecture: 'arm64',
      BootMode: 'uefi',
      VirtualizationType: 'hvm',
      EnaSupport: true,
      ImdsSupport: 'v2.0',
      RootDeviceName: '/dev/sda1',
      BlockDeviceMappings: [
        { DeviceName: '/dev/sda1', Ebs: { VolumeType: 'gp3', DeleteOnTermination: true } },
      ],
    })
    await (await fixture.open()).images!.remove(image, testContext())
  })

  test('go on after a kill with only the blocks that are not there yet', async () => {
    const artifact = await fixture.makeArtifact('killed.raw', 64 * MiB, [[0, randomBytes(40 * MiB)]])
    const key = imageKey(await fixture.open(), fixture.owner, artifact, 'resumed')
    await fixture.killPublish(artifact, key, 20)
    const before = calls('PutSnapshotBlock').length
    front.forgetRequests()
    const image = await publish(artifact, 'resumed')
    const after = calls('PutSnapshotBlock').length
    expect(before).toBeGreaterThanOrEqual(20)
    expect(after).toBeLessThanOrEqual((40 * MiB) / blockBytes - 20)
    expect(calls('StartSnapshot')).toHaveLength(0)
    const file = join(fixture.directory, 'resumed.raw')
    await readBack(image, file)
    await execa('cmp', ['-n', String(artifact.sizeBytes), artifact.path, file])
    await (await fixture.open()).images!.remove(image, testContext())
  })

  test('are sent anew when EBS gave up what a kill had left half-sent, of which nothing is kept', async () => {
    const artifact = await fixture.makeArtifact('given-up.raw', 8 * MiB, [[0, randomBytes(2 * MiB)]])
    const key = imageKey(await fixture.open(), fixture.owner, artifact, 'given-up')
    const hanging = front.inject({ action: 'CompleteSnapshot', times: 1, effect: stalled() })
    await fixture.killPublish(artifact, key, hanging.happened)
    hanging.remove()
    const { minuteMs } = front.settings
    front.settings.minuteMs = 0
    const ec2 = new EC2Client({ endpoint: front.endpoint, region: mainRegion })
    await ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'] }))
    front.settings.minuteMs = minuteMs
    front.forgetRequests()
    await publish(artifact, 'given-up')
    expect(calls('PutSnapshotBlock')).toHaveLength(4)
    expect(calls('DeleteSnapshot')).toHaveLength(1)
    const kept = await readdir(join(fixture.stateDirectory, 'clouds/test'))
    expect(kept.filter((name) => name.endsWith('.sent'))).toEqual([])
  })

  test('are copied to the other regions by AWS, sent once however many ask at the same time', async () => {
    const artifact = await fixture.makeArtifact('copied.raw', 16 * MiB, [[0, randomBytes(4 * MiB)]])
    const cloud = await fixture.open({
      share: { accounts: ['210987654321'], organizations: [], public: false },
    })
    const key = imageKey(cloud, fixture.owner, artifact, 'copied')
    const images = await Promise.all(
      [mainRegion, otherRegion].map((region) =>
        cloud.images!.publish(artifact, { ...key, region }, testContext()),
      ),
    )
    expect(images.map(({ region }) => region)).toEqual([mainRegion, otherRegion])
    expect(calls('PutSnapshotBlock')).toHaveLength(8)
    expect(calls('CopyImage')).toHaveLength(1)
    expect(calls('ModifyImageAttribute')).toHaveLength(2)
    for (const image of images)
      expect(await cloud.images!.find({ ...key, region: image.region }, testContext())).toEqual(image)
    expect(await gather(cloud.images!.list(testContext()))).toEqual(expect.arrayContaining(images))
    for (const image of images) await cloud.images!.remove(image, testContext())
    expect(await gather(cloud.images!.leftovers(fixture.owner, testContext()))).toEqual([])
  })

  test('are copied once more when a copy failed, and the failed one is removed', async () => {
    const artifact = await fixture.makeArtifact('failing.raw', 8 * MiB, [[0, randomBytes(MiB)]])
    const cloud = await fixture.open()
    const key = { ...imageKey(cloud, fixture.owner, artifact, 'failing'), region: otherRegion }
    front.settings.failingCopies = [otherRegion]
    const failing = cloud.images!.publish(artifact, key, testContext())
    await expect(failing).rejects.toMatchObject({ code: 'aws-image-failed', class: 'infra' })
    front.settings.failingCopies = []
    const image = await cloud.images!.publish(artifact, key, testContext())
    expect(await cloud.images!.find(key, testContext())).toEqual(image)
    expect(await gather(cloud.images!.leftovers(fixture.owner, testContext()))).toEqual([])
    await cloud.images!.remove(image, testContext())
    const main = await cloud.images!.find({ ...key, region: mainRegion }, testContext())
    await cloud.images!.remove(main!, testContext())
  })

  test.each(['killed before', 'killed after', 'lost'])(
    'are copied once, and whole, when the answer to CopyImage was %s',
    async (how) => {
      const artifact = await fixture.makeArtifact(`${how}.raw`, 8 * MiB, [[0, randomBytes(MiB)]])
      const cloud = await fixture.open()
      const key = { ...imageKey(cloud, fixture.owner, artifact, 'copy'), region: otherRegion }
      const effect = how === 'lost' ? cut(true) : stalled(how === 'killed after')
      const injected = front.inject({ action: 'CopyImage', times: 1, effect })
      if (how !== 'lost') await fixture.killPublish(artifact, key, injected.happened)
      const image = await cloud.images!.publish(artifact, key, testContext())
      expect(injected.count).toBe(1)
      injected.remove()
      const listed = (await gather(cloud.images!.list(testContext()))).filter(
        ({ sha256 }) => sha256 === artifact.sha256,
      )
      expect(listed.map(({ region }) => region).toSorted()).toEqual([otherRegion, mainRegion].toSorted())
      expect(listed).toContainEqual(image)
      expect(await gather(cloud.images!.leftovers(fixture.owner, testContext()))).toEqual([])
      for (const one of listed) await cloud.images!.remove(one, testContext())
    },
  )

  test('refuses formats and architectures that EC2 does not take, before anything is built', async () => {
    const { images } = await fixture.open()
    expect(images!.takes('s390x', 'raw')).toMatchObject({
      ok: false,
      reason: expect.stringContaining('s390x'),
    })
    expect(images!.takes('x86_64', 'qcow2')).toMatchObject({
      ok: false,
      hint: expect.stringContaining('raw'),
    })
    expect(images!.takes('aarch64', 'raw')).toEqual({ ok: true })
  })
})
