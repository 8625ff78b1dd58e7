import { createHash } from 'node:crypto'
import {
  CompleteSnapshotCommand,
  EBSClient,
  PutSnapshotBlockCommand,
  StartSnapshotCommand,
} from '@aws-sdk/client-ebs'
import type { PutSnapshotBlockCommandInput } from '@aws-sdk/client-ebs'
import { DescribeSnapshotsCommand, EC2Client } from '@aws-sdk/client-ec2'
import { afterAll, beforeAll } from 'vitest'
import { startAwsFront } from './aws-front/front.ts'
import type { AwsFront } from './aws-front/front.ts'
import type { FrontSettings } from './aws-front/settings.ts'
import { startMoto } from './moto.ts'
import type { Moto } from './moto.ts'

export const blockBytes = 524_288
export const testKey = { accessKeyId: 'test', secretAccessKey: 'test' }

export interface AwsForTests {
  readonly moto: Moto
  /** A front of the test's own, before an empty moto. */
  front(settings?: Partial<FrontSettings>): Promise<AwsFront>
}

/** One moto for the tests of a file; the first ever takes half a minute to make. */
export function awsForTests(): AwsForTests {
  let moto: Moto | undefined
  beforeAll(async () => {
    moto = await startMoto()
  }, 300_000)
  afterAll(() => moto?.[Symbol.asyncDispose]())
  const running = () => {
    if (!moto) throw new Error('moto is started before the first test and not earlier')
    return moto
  }
  return {
    get moto() {
      return running()
    },
    async front(settings = {}) {
      await running().reset()
      return startAwsFront({ upstream: running().endpoint, settings })
    },
  }
}

/** How the SDK's clients are told about an endpoint; they try once, so that a test sees every refusal. */
export function clientConfig(
  aws: { readonly endpoint: string },
  region = 'us-east-1',
  credentials = testKey,
) {
  return { endpoint: aws.endpoint, region, credentials, maxAttempts: 1 }
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

export async function startSnapshot(ebs: EBSClient, token?: string): Promise<string> {
  const command = new StartSnapshotCommand({ VolumeSize: 1, ...(token ? { ClientToken: token } : {}) })
  return (await ebs.send(command)).SnapshotId!
}

export async function putBlock(
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

export async function snapshotState(ec2: EC2Client, id: string): Promise<string | undefined> {
  const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }))
  return Snapshots?.[0]?.State
}

/** A completed snapshot of 1 GiB with one block. */
export async function completedSnapshot(ebs: EBSClient, ec2: EC2Client): Promise<string> {
  const SnapshotId = await startSnapshot(ebs)
  await putBlock(ebs, SnapshotId, 0, Buffer.alloc(blockBytes, 7))
  await ebs.send(new CompleteSnapshotCommand({ SnapshotId, ChangedBlocksCount: 1 }))
  while ((await snapshotState(ec2, SnapshotId)) === 'pending');
  return SnapshotId
}
