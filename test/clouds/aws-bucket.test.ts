import { join } from 'node:path'
import { EBSClient } from '@aws-sdk/client-ebs'
import { DescribeImagesCommand, DescribeSnapshotsCommand, EC2Client } from '@aws-sdk/client-ec2'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import type { Image } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { testContext } from '#test/contract/cloud.ts'
import { stalled } from '#test/servers/aws-front/effects.ts'
import { writeSnapshot } from '#test/servers/snapshot-bytes.ts'
import { awsBucketForTests } from './aws-bucket-tests.ts'
import { mainRegion } from './aws-fixture.ts'

const MiB = 1024 ** 2
const aws = awsBucketForTests()

/** The snapshot that an image stands on. */
async function snapshotOf({ id }: Image) {
  const ec2 = new EC2Client({ endpoint: aws.front.endpoint, region: mainRegion })
  const { Images } = await ec2.send(new DescribeImagesCommand({ ImageIds: [id] }))
  const SnapshotId = Images![0]!.BlockDeviceMappings![0]!.Ebs!.SnapshotId!
  const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [SnapshotId] }))
  return Snapshots![0]!
}

/** The image holds the disk's bytes, and nothing but it is left. */
async function expectWhole(artifact: Artifact, image: Image): Promise<void> {
  const { SnapshotId, Tags } = await snapshotOf(image)
  const file = join(aws.fixture.directory, `${SnapshotId}.raw`)
  const ebs = new EBSClient({ endpoint: aws.front.endpoint, region: mainRegion })
  await writeSnapshot(ebs, SnapshotId!, file)
  await execa('cmp', ['-n', String(artifact.sizeBytes), artifact.path, file])
  expect(Tags).toEqual(expect.arrayContaining([{ Key: 'factory:sha256', Value: artifact.sha256 }]))
  expect(await aws.fixture.inBucket()).toEqual([])
  expect(await aws.leftovers()).toEqual([])
  await (await aws.images()).remove(image, testContext())
}

describe('an image by way of a bucket', () => {
  test('holds the very bytes of the disk, and the bucket nothing any more', async () => {
    const artifact = await aws.fixture.newArtifact(130 * MiB + 512)
    const image = await aws.publish(artifact)
    const sent = aws.calls('UploadPart').map(({ bodyBytes }) => bodyBytes)
    expect(sent).toEqual([64 * MiB, 64 * MiB, 2 * MiB + 512])
    expect(aws.calls('PutSnapshotBlock')).toEqual([])
    expect(aws.calls('UploadPart')[0]!.parameters['Key']).toBe(
      `${aws.fixture.owner}/sha256/${artifact.sha256}/test/x86_64.raw`,
    )
    await expectWhole(artifact, image)
  })

  test('after a kill sends only the parts that are not there yet', async () => {
    const artifact = await aws.fixture.newArtifact(130 * MiB + 512)
    await aws.fixture.killPublish(artifact, await aws.keyOf(artifact), 2)
    aws.front.forgetRequests()
    const image = await aws.publish(artifact)
    expect(aws.calls('CreateMultipartUpload')).toEqual([])
    expect(aws.calls('UploadPart')).toHaveLength(1)
    await expectWhole(artifact, image)
  })

  test('after a kill between object and import sends nothing again', async () => {
    const artifact = await aws.fixture.newArtifact()
    const stall = aws.front.inject({ action: 'ImportSnapshot', effect: stalled() })
    await aws.fixture.killPublish(artifact, await aws.keyOf(artifact), stall.happened)
    stall.remove()
    aws.front.forgetRequests()
    const image = await aws.publish(artifact)
    expect(aws.calls('UploadPart')).toEqual([])
    expect(aws.calls('ImportSnapshot')).toHaveLength(1)
    await expectWhole(artifact, image)
  })

  test('after a kill whose import had begun, heard of or not, waits for that one', async () => {
    const artifact = await aws.fixture.newArtifact()
    const stall = aws.front.inject({ action: 'ImportSnapshot', effect: stalled(true) })
    await aws.fixture.killPublish(artifact, await aws.keyOf(artifact), stall.happened)
    stall.remove()
    aws.front.forgetRequests()
    const image = await aws.publish(artifact)
    expect(aws.calls('UploadPart')).toEqual([])
    expect(aws.calls('ImportSnapshot')).toEqual([])
    await expectWhole(artifact, image)
  })

  test('after a kill whose import ended while nobody listened takes its snapshot, which was a leftover until then', async () => {
    const artifact = await aws.fixture.newArtifact()
    const stall = aws.front.inject({ action: 'DescribeImportSnapshotTasks', after: 1, effect: stalled() })
    await aws.fixture.killPublish(artifact, await aws.keyOf(artifact), stall.happened)
    stall.remove()
    await aws.fixture.endImports()
    const left = await aws.leftovers()
    expect(left.map(({ id }) => id.replace(/[/-].*/, '')).toSorted()).toEqual(['s3:', 'snap'])
    for (const each of left)
      expect(each).toMatchObject({ owner: aws.fixture.owner, arch: 'x86_64', release: 'test' })
    aws.front.forgetRequests()
    const image = await aws.publish(artifact)
    expect(aws.calls('UploadPart')).toEqual([])
    expect(aws.calls('ImportSnapshot')).toEqual([])
    await expectWhole(artifact, image)
  })

  test('of a content whose image was removed is made anew, whatever its old import says', async () => {
    const artifact = await aws.fixture.newArtifact()
    await expectWhole(artifact, await aws.publish(artifact))
    aws.front.forgetRequests()
    const image = await aws.publish(artifact)
    expect(aws.calls('ImportSnapshot')).toHaveLength(1)
    await expectWhole(artifact, image)
  })
})
