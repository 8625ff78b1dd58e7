import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CompleteSnapshotCommand,
  EBSClient,
  ListSnapshotBlocksCommand,
  StartSnapshotCommand,
} from '@aws-sdk/client-ebs'
import {
  DescribeImagesCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
  EC2Client,
} from '@aws-sdk/client-ec2'
import { describe, expect, test } from 'vitest'
import {
  awsForTests,
  blockBytes,
  clientConfig,
  putBlock,
  sha256,
  snapshotState,
  startSnapshot,
} from './aws-test.ts'
import { writeSnapshot } from './snapshot-bytes.ts'

const aws = awsForTests()

describe('a signature', () => {
  test('is recomputed: another secret, an unknown key and a clock that is wrong are refused', async () => {
    await using front = await aws.front()
    const ask = new DescribeImagesCommand({})
    await new EC2Client(clientConfig(front)).send(ask)
    for (const key of [
      { accessKeyId: 'test', secretAccessKey: 'other' },
      { accessKeyId: 'nobody', secretAccessKey: 'test' },
      { accessKeyId: 'test', secretAccessKey: 'test', sessionToken: 'not of this key' },
    ])
      await expect(new EC2Client(clientConfig(front, 'us-east-1', key)).send(ask)).rejects.toMatchObject({
        name: 'AuthFailure',
      })
    const started = new EBSClient(
      clientConfig(front, 'us-east-1', { accessKeyId: 'test', secretAccessKey: 'other' }),
    )
    await expect(startSnapshot(started)).rejects.toMatchObject({ name: 'InvalidSignatureException' })
    front.settings.clockSkewMs = 3_600_000
    await expect(new EC2Client(clientConfig(front)).send(ask)).rejects.toMatchObject({ name: 'AuthFailure' })
    const unsigned = await fetch(front.endpoint, { method: 'POST', body: 'Action=DescribeImages' })
    expect(unsigned.status).toBe(403)
    expect(front.requests.map(({ status }) => status)).toEqual([200, 401, 401, 401, 403, 401, 403])
  })
})

describe('a snapshot by EBS direct', () => {
  test('holds what was put, block for block, read in small pages', async () => {
    await using front = await aws.front({ pageSize: 2 })
    const ebs = new EBSClient(clientConfig(front))
    const ec2 = new EC2Client(clientConfig(front))
    const SnapshotId = await startSnapshot(ebs)
    const blocks = new Map([2047, 0, 9, 4, 5].map((index) => [index, randomBytes(blockBytes)]))
    for (const [index, bytes] of blocks) await putBlock(ebs, SnapshotId, index, bytes)
    const linear = sha256(
      Buffer.concat([...blocks].toSorted(([a], [b]) => a - b).map(([, bytes]) => sha256(bytes))),
    )
    await ebs.send(
      new CompleteSnapshotCommand({
        SnapshotId,
        ChangedBlocksCount: blocks.size,
        Checksum: linear.toString('base64'),
        ChecksumAlgorithm: 'SHA256',
        ChecksumAggregationMethod: 'LINEAR',
      }),
    )
    expect([await snapshotState(ec2, SnapshotId), await snapshotState(ec2, SnapshotId)]).toEqual([
      'pending',
      'completed',
    ])
    const directory = await mkdtemp(join(tmpdir(), 'snapshot-'))
    try {
      // Once as the front gives it, once as the emulator has it.
      for (const endpoint of [front, aws.moto]) {
        const file = join(directory, 'disk.raw')
        const reader = new EBSClient(clientConfig(endpoint))
        expect(await writeSnapshot(reader, SnapshotId, file)).toEqual({ sizeBytes: 1024 ** 3, blocks: 5 })
        await using disk = await open(file)
        for (const [index, bytes] of blocks) {
          const { buffer } = await disk.read(Buffer.alloc(blockBytes), 0, blockBytes, index * blockBytes)
          expect(buffer.equals(bytes), `block ${index}`).toBe(true)
        }
        // Everything else is a hole.
        expect((await disk.stat()).blocks * 512).toBeLessThan(6 * blockBytes)
      }
    } finally {
      await rm(directory, { recursive: true })
    }
    const lists = front.requests.filter(({ action }) => action === 'ListSnapshotBlocks')
    expect(lists).toHaveLength(3)
    const bytesPut = front.requests
      .filter(({ action }) => action === 'PutSnapshotBlock')
      .map(({ bodyBytes }) => bodyBytes)
    expect(bytesPut).toEqual(Array.from(blocks, () => blockBytes))
    expect(front.bodyBytes).toBeLessThan(5 * blockBytes + 5000)
  })

  test('takes no block with another checksum, length, algorithm or place', async () => {
    await using front = await aws.front()
    const ebs = new EBSClient(clientConfig(front))
    const id = await startSnapshot(ebs)
    const bytes = randomBytes(blockBytes)
    const isInvalid = { name: 'ValidationException' }
    const otherSum = { Checksum: sha256(Buffer.from('other')).toString('base64') }
    await expect(putBlock(ebs, id, 0, bytes, otherSum)).rejects.toMatchObject(isInvalid)
    await expect(putBlock(ebs, id, 0, bytes.subarray(1))).rejects.toMatchObject(isInvalid)
    const otherAlgorithm = { ChecksumAlgorithm: 'SHA1' as 'SHA256' }
    await expect(putBlock(ebs, id, 0, bytes, otherAlgorithm)).rejects.toMatchObject(isInvalid)
    await expect(putBlock(ebs, id, 2048, bytes)).rejects.toMatchObject(isInvalid)
    await expect(putBlock(ebs, 'snap-0123456789abcdef0', 0, bytes)).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    })
    await ebs.send(new CompleteSnapshotCommand({ SnapshotId: id, ChangedBlocksCount: 0 }))
    await expect(putBlock(ebs, id, 0, bytes), 'after its end').rejects.toMatchObject(isInvalid)
  })

  test('ends in error when the count or the checksum over the blocks is wrong', async () => {
    await using front = await aws.front()
    const ebs = new EBSClient(clientConfig(front))
    const ec2 = new EC2Client(clientConfig(front))
    const bytes = randomBytes(blockBytes)
    const linear = { ChecksumAlgorithm: 'SHA256', ChecksumAggregationMethod: 'LINEAR' } as const
    const wrongs = [
      { ChangedBlocksCount: 2 },
      { ChangedBlocksCount: 1, Checksum: sha256(bytes).toString('base64'), ...linear },
    ]
    for (const wrong of wrongs) {
      const SnapshotId = await startSnapshot(ebs)
      await putBlock(ebs, SnapshotId, 3, bytes)
      // The same block again is no second block.
      await putBlock(ebs, SnapshotId, 3, bytes)
      await ebs.send(new CompleteSnapshotCommand({ SnapshotId, ...wrong }))
      expect([await snapshotState(ec2, SnapshotId), await snapshotState(ec2, SnapshotId)]).toEqual([
        'pending',
        'error',
      ])
      await expect(ebs.send(new ListSnapshotBlocksCommand({ SnapshotId }))).rejects.toThrow(
        'not in the completed state',
      )
    }
  })

  test('is the same one for the same token, and a conflict for the token with other parameters', async () => {
    await using front = await aws.front()
    const ebs = new EBSClient(clientConfig(front))
    const ids = await Promise.all([
      startSnapshot(ebs, 'token'),
      startSnapshot(ebs, 'token'),
      startSnapshot(ebs, 'another'),
    ])
    expect(ids[1]).toBe(ids[0])
    expect(ids[2]).not.toBe(ids[0])
    const larger = new StartSnapshotCommand({ VolumeSize: 2, ClientToken: 'token' })
    await expect(ebs.send(larger)).rejects.toMatchObject({ name: 'ConflictException' })
  })

  test('has its tags from the start, leaves no volume, and is given up after its timeout', async () => {
    await using front = await aws.front({ minuteMs: 0 })
    const ebs = new EBSClient(clientConfig(front))
    const ec2 = new EC2Client(clientConfig(front))
    const Tags = [{ Key: 'factory:owner', Value: 'us' }]
    const { SnapshotId } = await ebs.send(new StartSnapshotCommand({ VolumeSize: 1, Timeout: 10, Tags }))
    const Filters = [{ Name: 'tag:factory:owner', Values: ['u?'] }]
    const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ Filters, OwnerIds: ['self'] }))
    expect(Snapshots).toMatchObject([{ SnapshotId, Tags }])
    expect((await ec2.send(new DescribeVolumesCommand({}))).Volumes).toEqual([])
    await expect.poll(() => snapshotState(ec2, SnapshotId!)).toBe('error')
    await expect(putBlock(ebs, SnapshotId!, 0, randomBytes(blockBytes))).rejects.toThrow(
      'not in the pending state',
    )
  })
})
