import { randomBytes } from 'node:crypto'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EBSClient } from '@aws-sdk/client-ebs'
import {
  DescribeImportSnapshotTasksCommand,
  DescribeSnapshotsCommand,
  EC2Client,
  ImportSnapshotCommand,
} from '@aws-sdk/client-ec2'
import type { ImportSnapshotCommandInput, SnapshotTaskDetail } from '@aws-sdk/client-ec2'
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import type { AwsFront } from './aws-front/front.ts'
import { awsForTests, blockBytes, clientConfig, snapshotState } from './aws-test.ts'
import { writeSnapshot } from './snapshot-bytes.ts'

const aws = awsForTests()

const Bucket = 'images'
const trust = (service: string) =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }],
  })

function clients(front: AwsFront, region = 'us-east-1') {
  const config = clientConfig(front, region)
  const s3 = new S3Client({ ...config, forcePathStyle: true })
  return { s3, ec2: new EC2Client(config), ebs: new EBSClient(config), iam: new IAMClient(config) }
}

/** A disk with data at its start and near its end. */
function diskImage(): Buffer {
  const disk = Buffer.alloc(8 * 1024 ** 2)
  randomBytes(1000).copy(disk, 0)
  randomBytes(blockBytes).copy(disk, 10 * blockBytes)
  return disk
}

async function startOf(file: string, bytes: number): Promise<Buffer> {
  await using opened = await open(file)
  return (await opened.read(Buffer.alloc(bytes), 0, bytes, 0)).buffer
}

async function upload(front: AwsFront, Key: string, Body: Buffer): Promise<void> {
  const { s3, iam } = clients(front)
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutObjectCommand({ Bucket, Key, Body }))
  const AssumeRolePolicyDocument = trust('vmie.amazonaws.com')
  await iam.send(new CreateRoleCommand({ RoleName: 'vmimport', AssumeRolePolicyDocument }))
}

function importOf(S3Key: string, other: Partial<ImportSnapshotCommandInput> = {}): ImportSnapshotCommand {
  const DiskContainer = { Format: 'RAW', UserBucket: { S3Bucket: Bucket, S3Key } }
  return new ImportSnapshotCommand({ DiskContainer, ClientToken: 'import', Description: 'disk', ...other })
}

async function detail(ec2: EC2Client, id: string | undefined): Promise<SnapshotTaskDetail | undefined> {
  const ask = new DescribeImportSnapshotTasksCommand({ ImportTaskIds: [id ?? ''] })
  return (await ec2.send(ask)).ImportSnapshotTasks?.[0]?.SnapshotTaskDetail
}

test('an object becomes a snapshot over a while, with its content and once for its token', async () => {
  await using front = await aws.front()
  const { ec2, ebs } = clients(front)
  const disk = diskImage()
  await upload(front, 'sha256/disk.raw', disk)
  const { ImportTaskId } = await ec2.send(importOf('sha256/disk.raw'))
  expect((await ec2.send(importOf('sha256/disk.raw'))).ImportTaskId).toBe(ImportTaskId)
  await expect(ec2.send(importOf('sha256/disk.raw', { Description: 'other' }))).rejects.toMatchObject({
    name: 'IdempotentParameterMismatch',
  })
  expect(await detail(ec2, ImportTaskId)).toMatchObject({ Status: 'active', StatusMessage: 'pending' })
  expect(await detail(ec2, ImportTaskId)).toMatchObject({ Status: 'active', Progress: '50' })
  const { Status, SnapshotId = '' } = (await detail(ec2, ImportTaskId)) ?? {}
  expect(Status).toBe('completed')
  expect(await snapshotState(ec2, SnapshotId)).toBe('completed')
  const directory = await mkdtemp(join(tmpdir(), 'import-'))
  try {
    const file = join(directory, 'disk.raw')
    expect(await writeSnapshot(ebs, SnapshotId, file)).toEqual({ sizeBytes: 1024 ** 3, blocks: 2 })
    expect((await startOf(file, disk.length)).equals(disk)).toBe(true)
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('a VMDK is unpacked', async () => {
  await using front = await aws.front({ polls: { snapshot: 0, image: 0, instance: 0, import: 1 } })
  const { ec2, ebs } = clients(front)
  const disk = diskImage()
  const directory = await mkdtemp(join(tmpdir(), 'import-'))
  try {
    const raw = join(directory, 'disk.raw')
    const vmdk = join(directory, 'disk.vmdk')
    await writeFile(raw, disk)
    await execa('qemu-img', ['convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, vmdk])
    await upload(front, 'disk.vmdk', await readFile(vmdk))
    const DiskContainer = { Format: 'VMDK', UserBucket: { S3Bucket: Bucket, S3Key: 'disk.vmdk' } }
    const { ImportTaskId } = await ec2.send(importOf('disk.vmdk', { DiskContainer }))
    await detail(ec2, ImportTaskId)
    const back = join(directory, 'back.raw')
    await writeSnapshot(ebs, (await detail(ec2, ImportTaskId))?.SnapshotId ?? '', back)
    expect((await startOf(back, disk.length)).equals(disk)).toBe(true)
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('an import that cannot work is refused at once, and one that fails ends with the reason', async () => {
  await using front = await aws.front({ polls: { snapshot: 0, image: 0, instance: 0, import: 1 } })
  const { ec2 } = clients(front)
  await upload(front, 'disk.raw', diskImage())
  const isWrong = (message: string) => ({
    name: 'InvalidParameter',
    message: expect.stringContaining(message),
  })
  await expect(ec2.send(importOf('none.raw'))).rejects.toMatchObject(
    isWrong('does not have access to the S3 object'),
  )
  const role = importOf('disk.raw', { RoleName: 'other' })
  await expect(ec2.send(role)).rejects.toMatchObject(
    isWrong('The service role other provided does not exist'),
  )
  const elsewhere = clients(front, 'eu-west-1').ec2
  await expect(elsewhere.send(importOf('disk.raw'))).rejects.toMatchObject(isWrong('not local to the region'))
  const DiskContainer = { Format: 'QCOW2', UserBucket: { S3Bucket: Bucket, S3Key: 'disk.raw' } }
  await expect(ec2.send(importOf('disk.raw', { DiskContainer }))).rejects.toMatchObject(isWrong('format'))

  front.settings.importOutcome = { status: 'deleting', statusMessage: 'ClientError: Disk validation failed' }
  const { ImportTaskId } = await ec2.send(importOf('disk.raw'))
  const states: (string | undefined)[] = []
  for (let i = 0; i < 3; i += 1) states.push((await detail(ec2, ImportTaskId))?.Status)
  expect(states).toEqual(['active', 'deleting', 'deleted'])
  expect(await detail(ec2, ImportTaskId)).toMatchObject({
    StatusMessage: 'ClientError: Disk validation failed',
  })
  expect((await ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'] }))).Snapshots).toEqual([])
})

test('an object in parts goes through, and every part is counted', async () => {
  await using front = await aws.front()
  const { s3 } = clients(front)
  await s3.send(new CreateBucketCommand({ Bucket }))
  const of = { Bucket, Key: 'sha256/large' }
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...of, ChecksumAlgorithm: 'SHA256' }))
  const parts = [randomBytes(5 * 1024 ** 2), randomBytes(100)]
  const sent: { PartNumber: number; ETag: string | undefined; ChecksumSHA256: string | undefined }[] = []
  for (const [index, Body] of parts.entries()) {
    const PartNumber = index + 1
    const part = await s3.send(
      new UploadPartCommand({ ...of, UploadId, PartNumber, Body, ChecksumAlgorithm: 'SHA256' }),
    )
    sent.push({ PartNumber, ETag: part.ETag, ChecksumSHA256: part.ChecksumSHA256 })
  }
  expect((await s3.send(new ListPartsCommand({ ...of, UploadId }))).Parts).toHaveLength(2)
  await s3.send(new CompleteMultipartUploadCommand({ ...of, UploadId, MultipartUpload: { Parts: sent } }))
  const uploads = front.requests.filter(({ action }) => action === 'UploadPart')
  expect(uploads.map(({ bodyBytes }) => bodyBytes)).toEqual(
    parts.map(({ length }) => expect.closeTo(length, -3)),
  )
  expect(new Set(front.requests.map(({ action }) => action))).toEqual(
    new Set(['CreateBucket', 'CreateMultipartUpload', 'UploadPart', 'ListParts', 'CompleteMultipartUpload']),
  )
})

test('an object whose bytes are not those that were signed never comes to be', async () => {
  await using front = await aws.front()
  const { s3 } = clients(front)
  await s3.send(new CreateBucketCommand({ Bucket }))
  const Body = randomBytes(200_000)
  const put = new PutObjectCommand({ Bucket, Key: 'disk', Body })
  const { requestHandler } = s3.config
  const handle: typeof requestHandler.handle = (request, options) => {
    const body = Buffer.from(request.body as Buffer)
    body.writeUInt8(body.readUInt8(100_000) ^ 1, 100_000)
    return requestHandler.handle(Object.assign(request, { body }), options)
  }
  const damaging = new S3Client({ ...clientConfig(front), forcePathStyle: true, requestHandler: { handle } })
  await expect(damaging.send(put)).rejects.toMatchObject({ name: 'XAmzContentSHA256Mismatch' })
  await expect(s3.send(new HeadObjectCommand({ Bucket, Key: 'disk' }))).rejects.toMatchObject({
    name: 'NotFound',
  })
  await s3.send(new PutObjectCommand({ Bucket, Key: 'disk', Body }))
  expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'disk' }))).ContentLength).toBe(Body.length)
})
