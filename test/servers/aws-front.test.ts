import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CompleteSnapshotCommand,
  EBSClient,
  ListSnapshotBlocksCommand,
  PutSnapshotBlockCommand,
  StartSnapshotCommand,
} from '@aws-sdk/client-ebs'
import type { CompleteSnapshotCommandInput, PutSnapshotBlockCommandInput } from '@aws-sdk/client-ebs'
import {
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
  EC2Client,
  RegisterImageCommand,
} from '@aws-sdk/client-ec2'
import type { RegisterImageCommandInput } from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startAwsFront } from './aws-front/front.ts'
import type { AwsFront } from './aws-front/front.ts'
import type { FrontSettings } from './aws-front/settings.ts'
import { startMoto } from './moto.ts'
import type { Moto } from './moto.ts'
import { writeSnapshot } from './snapshot-bytes.ts'

const region = 'us-east-1'
const blockBytes = 524_288
let moto: Moto

beforeAll(async () => {
  moto = await startMoto()
}, 120_000)
afterAll(() => moto[Symbol.asyncDispose]())

/** A front of its own for the test, before an empty moto. */
async function front(settings: Partial<FrontSettings> = {}): Promise<AwsFront> {
  await moto.reset()
  return startAwsFront({ upstream: moto.endpoint, settings })
}

function config(aws: { endpoint: string }, key = { accessKeyId: 'test', secretAccessKey: 'test' }) {
  return { endpoint: aws.endpoint, region, credentials: key, maxAttempts: 1 }
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

async function start(ebs: EBSClient, token?: string): Promise<string> {
  const command = new StartSnapshotCommand({ VolumeSize: 1, ...(token ? { ClientToken: token } : {}) })
  return (await ebs.send(command)).SnapshotId!
}

async function put(
  ebs: EBSClient,
  SnapshotId: string,
  BlockIndex: number,
  bytes: Uint8Array,
  other: Partial<PutSnapshotBlockCommandInput> = {},
): Promise<void> {
  const Checksum = sha256(bytes).toString('base64')
  const right = { DataLength: bytes.length, Checksum, ChecksumAlgorithm: 'SHA256' as const }
  await ebs.send(
    new PutSnapshotBlockCommand({ SnapshotId, BlockIndex, BlockData: bytes, ...right, ...other }),
  )
}

async function complete(ebs: EBSClient, input: CompleteSnapshotCommandInput): Promise<void> {
  await ebs.send(new CompleteSnapshotCommand(input))
}

async function stateOf(ec2: EC2Client, id: string): Promise<string | undefined> {
  const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }))
  return Snapshots?.[0]?.State
}

/** A completed snapshot with one block. */
async function snapshot(ebs: EBSClient, ec2: EC2Client): Promise<string> {
  const SnapshotId = await start(ebs)
  await put(ebs, SnapshotId, 0, Buffer.alloc(blockBytes, 7))
  await complete(ebs, { SnapshotId, ChangedBlocksCount: 1 })
  while ((await stateOf(ec2, SnapshotId)) === 'pending');
  return SnapshotId
}

function image(Name: string, SnapshotId: string, other: Partial<RegisterImageCommandInput> = {}) {
  return new RegisterImageCommand({
    Name,
    RootDeviceName: '/dev/xvda',
    Architecture: 'arm64',
    VirtualizationType: 'hvm',
    BootMode: 'uefi',
    EnaSupport: true,
    ImdsSupport: 'v2.0',
    BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId, VolumeType: 'gp3' } }],
    TagSpecifications: [{ ResourceType: 'image', Tags: [{ Key: 'factory:owner', Value: 'us & <them>' }] }],
    ...other,
  })
}

describe('a signature', () => {
  test('is recomputed: another secret, an unknown key and a clock that is wrong are refused', async () => {
    await using aws = await front()
    const ask = new DescribeImagesCommand({})
    await new EC2Client(config(aws)).send(ask)
    for (const key of [
      { accessKeyId: 'test', secretAccessKey: 'other' },
      { accessKeyId: 'nobody', secretAccessKey: 'test' },
      { accessKeyId: 'test', secretAccessKey: 'test', sessionToken: 'not of this key' },
    ])
      await expect(new EC2Client(config(aws, key)).send(ask)).rejects.toMatchObject({ name: 'AuthFailure' })
    const started = new EBSClient(config(aws, { accessKeyId: 'test', secretAccessKey: 'other' }))
    await expect(start(started)).rejects.toMatchObject({ name: 'InvalidSignatureException' })
    aws.settings.clockSkewMs = 3_600_000
    await expect(new EC2Client(config(aws)).send(ask)).rejects.toMatchObject({ name: 'AuthFailure' })
    const unsigned = await fetch(aws.endpoint, { method: 'POST', body: 'Action=DescribeImages' })
    expect(unsigned.status).toBe(403)
    expect(aws.requests.map(({ status }) => status)).toEqual([200, 401, 401, 401, 403, 401, 403])
  })
})

describe('a snapshot by EBS direct', () => {
  test('holds what was put, block for block, read in small pages', async () => {
    await using aws = await front({ pageSize: 2 })
    const ebs = new EBSClient(config(aws))
    const ec2 = new EC2Client(config(aws))
    const SnapshotId = await start(ebs)
    const blocks = new Map([2047, 0, 9, 4, 5].map((index) => [index, randomBytes(blockBytes)]))
    for (const [index, bytes] of blocks) await put(ebs, SnapshotId, index, bytes)
    const linear = sha256(
      Buffer.concat([...blocks].toSorted(([a], [b]) => a - b).map(([, bytes]) => sha256(bytes))),
    )
    await complete(ebs, {
      SnapshotId,
      ChangedBlocksCount: blocks.size,
      Checksum: linear.toString('base64'),
      ChecksumAlgorithm: 'SHA256',
      ChecksumAggregationMethod: 'LINEAR',
    })
    expect([await stateOf(ec2, SnapshotId), await stateOf(ec2, SnapshotId)]).toEqual(['pending', 'completed'])
    const directory = await mkdtemp(join(tmpdir(), 'snapshot-'))
    try {
      const file = join(directory, 'disk.raw')
      expect(await writeSnapshot(ebs, SnapshotId, file)).toEqual({ sizeBytes: 1024 ** 3, blocks: 5 })
      await using disk = await open(file)
      for (const [index, bytes] of blocks) {
        const { buffer } = await disk.read(Buffer.alloc(blockBytes), 0, blockBytes, index * blockBytes)
        expect(buffer.equals(bytes), `block ${index}`).toBe(true)
      }
      // Everything else is a hole.
      expect((await disk.stat()).blocks * 512).toBeLessThan(6 * blockBytes)
    } finally {
      await rm(directory, { recursive: true })
    }
    const lists = aws.requests.filter(({ action }) => action === 'ListSnapshotBlocks')
    expect(lists).toHaveLength(3)
    const bytesPut = aws.requests
      .filter(({ action }) => action === 'PutSnapshotBlock')
      .map(({ bodyBytes }) => bodyBytes)
    expect(bytesPut).toEqual(Array.from(blocks, () => blockBytes))
    expect(aws.bodyBytes).toBeLessThan(5 * blockBytes + 5000)
  })

  test('takes no block with another checksum, length, algorithm or place', async () => {
    await using aws = await front()
    const ebs = new EBSClient(config(aws))
    const id = await start(ebs)
    const bytes = randomBytes(blockBytes)
    const isInvalid = { name: 'ValidationException' }
    const otherSum = { Checksum: sha256(Buffer.from('other')).toString('base64') }
    await expect(put(ebs, id, 0, bytes, otherSum)).rejects.toMatchObject(isInvalid)
    await expect(put(ebs, id, 0, bytes.subarray(1))).rejects.toMatchObject(isInvalid)
    await expect(put(ebs, id, 2048, bytes)).rejects.toMatchObject(isInvalid)
    await expect(put(ebs, 'snap-0123456789abcdef0', 0, bytes)).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    })
    await complete(ebs, { SnapshotId: id, ChangedBlocksCount: 0 })
    await expect(put(ebs, id, 0, bytes), 'after its end').rejects.toMatchObject(isInvalid)
  })

  test('ends in error when the count or the checksum over the blocks is wrong', async () => {
    await using aws = await front()
    const ebs = new EBSClient(config(aws))
    const ec2 = new EC2Client(config(aws))
    const bytes = randomBytes(blockBytes)
    const linear = { ChecksumAlgorithm: 'SHA256', ChecksumAggregationMethod: 'LINEAR' } as const
    const wrongs = [
      { ChangedBlocksCount: 2 },
      { ChangedBlocksCount: 1, Checksum: sha256(bytes).toString('base64'), ...linear },
    ]
    for (const wrong of wrongs) {
      const SnapshotId = await start(ebs)
      await put(ebs, SnapshotId, 3, bytes)
      // The same block again is no second block.
      await put(ebs, SnapshotId, 3, bytes)
      await complete(ebs, { SnapshotId, ...wrong })
      expect([await stateOf(ec2, SnapshotId), await stateOf(ec2, SnapshotId)]).toEqual(['pending', 'error'])
      await expect(ebs.send(new ListSnapshotBlocksCommand({ SnapshotId }))).rejects.toThrow(
        'not in the completed state',
      )
    }
  })

  test('is the same one for the same token, and a conflict for the token with other parameters', async () => {
    await using aws = await front()
    const ebs = new EBSClient(config(aws))
    const ids = await Promise.all([start(ebs, 'token'), start(ebs, 'token'), start(ebs, 'another')])
    expect(ids[1]).toBe(ids[0])
    expect(ids[2]).not.toBe(ids[0])
    const larger = new StartSnapshotCommand({ VolumeSize: 2, ClientToken: 'token' })
    await expect(ebs.send(larger)).rejects.toMatchObject({ name: 'ConflictException' })
  })

  test('has its tags from the start, leaves no volume, and is given up after its timeout', async () => {
    await using aws = await front({ minuteMs: 0 })
    const ebs = new EBSClient(config(aws))
    const ec2 = new EC2Client(config(aws))
    const Tags = [{ Key: 'factory:owner', Value: 'us' }]
    const { SnapshotId } = await ebs.send(new StartSnapshotCommand({ VolumeSize: 1, Timeout: 10, Tags }))
    const Filters = [{ Name: 'tag:factory:owner', Values: ['u?'] }]
    const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ Filters, OwnerIds: ['self'] }))
    expect(Snapshots).toMatchObject([{ SnapshotId, Tags }])
    expect((await ec2.send(new DescribeVolumesCommand({}))).Volumes).toEqual([])
    await expect.poll(() => stateOf(ec2, SnapshotId!)).toBe('error')
    await expect(put(ebs, SnapshotId!, 0, randomBytes(blockBytes))).rejects.toThrow(
      'not in the pending state',
    )
  })
})

describe('an image', () => {
  test('is made of a completed snapshot that fits, keeps its attributes, and is pending for a while', async () => {
    await using aws = await front()
    const ebs = new EBSClient(config(aws))
    const ec2 = new EC2Client(config(aws))
    const unfinished = await start(ebs)
    await expect(ec2.send(image('too early', unfinished))).rejects.toMatchObject({ name: 'IncorrectState' })
    const SnapshotId = await snapshot(ebs, ec2)
    const small = { BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId, VolumeSize: 0 } }] }
    await expect(ec2.send(image('too small', SnapshotId, small))).rejects.toMatchObject({
      name: 'InvalidBlockDeviceMapping',
    })
    for (const name of ['ab', 'a'.repeat(129), 'a:b'])
      await expect(ec2.send(image(name, SnapshotId))).rejects.toMatchObject({
        name: 'InvalidAMIName.Malformed',
      })
    const [one, two] = await Promise.allSettled([1, 2].map(() => ec2.send(image('factory-1', SnapshotId))))
    const [made, refused] = one?.status === 'fulfilled' ? [one, two] : [two, one]
    expect(refused).toMatchObject({ reason: { name: 'InvalidAMIName.Duplicate' } })
    const ImageId = made?.status === 'fulfilled' ? made.value.ImageId! : ''
    const ask = new DescribeImagesCommand({
      Owners: ['self'],
      Filters: [{ Name: 'name', Values: ['factory-*'] }],
    })
    const { Images: [shown] = [] } = await ec2.send(ask)
    expect(shown).toMatchObject({
      ImageId,
      Name: 'factory-1',
      State: 'pending',
      Architecture: 'arm64',
      VirtualizationType: 'hvm',
      BootMode: 'uefi',
      EnaSupport: true,
      ImdsSupport: 'v2.0',
      RootDeviceName: '/dev/xvda',
      BlockDeviceMappings: [
        { DeviceName: '/dev/xvda', Ebs: { SnapshotId, VolumeSize: 1, VolumeType: 'gp3' } },
      ],
      Tags: [{ Key: 'factory:owner', Value: 'us & <them>' }],
    })
    expect((await ec2.send(ask)).Images).toMatchObject([{ State: 'available' }])
    const remove = new DeleteSnapshotCommand({ SnapshotId })
    await expect(ec2.send(remove)).rejects.toMatchObject({ name: 'InvalidSnapshot.InUse' })
    await ec2.send(new DeregisterImageCommand({ ImageId, DeleteAssociatedSnapshots: true }))
    await expect(stateOf(ec2, SnapshotId)).rejects.toMatchObject({ name: 'InvalidSnapshot.NotFound' })
    expect((await ec2.send(ask)).Images).toEqual([])
  })
})
