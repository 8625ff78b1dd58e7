import { randomBytes } from 'node:crypto'
import { EBSClient } from '@aws-sdk/client-ebs'
import {
  DescribeImagesCommand,
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2'
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { describe, expect, test } from 'vitest'
import {
  cut,
  expiredToken,
  garbage,
  late,
  lostAnswer,
  overQuota,
  refusedWith,
  serverError,
  stalled,
  throttled,
} from './aws-front/effects.ts'
import type { Effect } from './aws-front/faults.ts'
import {
  awsForTests,
  blockBytes,
  clientConfig,
  completedSnapshot,
  putBlock,
  snapshotState,
  startSnapshot,
} from './aws-test.ts'
import { baseImages } from './moto-tree.ts'

const aws = awsForTests()

const ask = new DescribeImagesCommand({})

function machine(ClientToken: string): RunInstancesCommand {
  return new RunInstancesCommand({
    MinCount: 1,
    MaxCount: 1,
    ImageId: baseImages.x86_64.id,
    InstanceType: 'm7i.large',
    ClientToken,
  })
}

async function machines(ec2: EC2Client): Promise<number> {
  return (await ec2.send(new DescribeInstancesCommand({}))).Reservations?.length ?? 0
}

test('a fault happens to the requests that it is for, so often and in the turn that it was told', async () => {
  await using front = await aws.front()
  const ec2 = new EC2Client(clientConfig(front))
  const elsewhere = new EC2Client(clientConfig(front, 'eu-west-1'))
  const fault = front.inject({
    action: 'DescribeImages',
    region: 'us-east-1',
    after: 1,
    every: 2,
    times: 2,
    effect: serverError(),
  })
  const outcomes: string[] = []
  for (let i = 0; i < 8; i += 1)
    outcomes.push(
      await ec2.send(ask).then(
        () => 'ok',
        (error: Error) => error.name,
      ),
    )
  expect(outcomes).toEqual(['ok', 'InternalError', 'ok', 'InternalError', 'ok', 'ok', 'ok', 'ok'])
  await elsewhere.send(ask)
  expect(fault.count).toBe(2)
  expect((await fault.happened).action).toBe('DescribeImages')
  const always = front.inject({ effect: throttled() })
  await expect(ec2.send(ask)).rejects.toMatchObject({ name: 'RequestLimitExceeded' })
  await expect(startSnapshot(new EBSClient(clientConfig(front)))).rejects.toMatchObject({
    name: 'RequestThrottledException',
    Reason: 'ACCOUNT_THROTTLED',
  })
  const s3 = new S3Client({ ...clientConfig(front), forcePathStyle: true })
  await expect(s3.send(new ListBucketsCommand({}))).rejects.toMatchObject({ name: 'SlowDown' })
  always.remove()
  await ec2.send(ask)
})

describe('a lost answer', () => {
  for (const [how, effect, name] of [
    ['a failure', lostAnswer(), 'InternalError'],
    ['a reset connection', cut(), 'Error'],
    ['garbage', garbage(503, true), 'Unknown'],
  ] as const)
    test(`with ${how} leaves done what was asked for, and the token gives it back`, async () => {
      await using front = await aws.front()
      const ec2 = new EC2Client(clientConfig(front))
      front.inject({ action: 'RunInstances', times: 1, effect: effect as Effect })
      const lost = await ec2.send(machine('lease')).catch((error: Error) => error)
      expect(lost).toMatchObject({ name: expect.stringContaining(name) })
      expect(await machines(ec2)).toBe(1)
      await ec2.send(machine('lease'))
      expect(await machines(ec2)).toBe(1)
    })

  test('is not lost when the request was refused anyway', async () => {
    await using front = await aws.front({ noCapacity: [{}] })
    const ec2 = new EC2Client(clientConfig(front))
    const fault = front.inject({ action: 'RunInstances', times: 1, effect: lostAnswer() })
    await expect(ec2.send(machine('a'))).rejects.toMatchObject({ name: 'InsufficientInstanceCapacity' })
    front.settings.noCapacity = []
    await expect(ec2.send(machine('b'))).rejects.toMatchObject({ name: 'InternalError' })
    expect(fault.count).toBe(1)
  })
})

test('before it is done: a reset, no answer, garbage, a quota and any other refusal', async () => {
  await using front = await aws.front()
  const ec2 = new EC2Client(clientConfig(front))
  for (const [effect, facts] of [
    [cut(false), { code: 'ECONNRESET' }],
    [garbage(503), { name: 'Unknown' }],
    [overQuota('VcpuLimitExceeded'), { name: 'VcpuLimitExceeded' }],
    [refusedWith({ code: 'OptInRequired', message: 'subscribe first' }), { name: 'OptInRequired' }],
  ] as const) {
    front.inject({ action: 'RunInstances', times: 1, effect })
    await expect(ec2.send(machine('lease'))).rejects.toMatchObject(facts)
  }
  // The SDK takes a page of HTML for an answer without anything in it.
  front.inject({ action: 'RunInstances', times: 1, effect: garbage(200) })
  expect((await ec2.send(machine('lease'))).Instances).toBeUndefined()
  const silence = front.inject({ action: 'RunInstances', times: 1, effect: stalled() })
  const given = new AbortController()
  const waiting = ec2.send(machine('lease'), { abortSignal: given.signal })
  waiting.catch(() => {})
  await silence.happened
  given.abort()
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
  expect(await machines(ec2)).toBe(0)
})

test('a session ends for one request or for good, in the words of each service', async () => {
  const temporary = { accessKeyId: 'ASIATEST', secretAccessKey: 'secret', sessionToken: 'token' }
  await using front = await aws.front({ credentials: [{ ...temporary }] })
  const config = clientConfig(front, 'us-east-1', temporary)
  const ec2 = new EC2Client(config)
  await ec2.send(ask)
  front.inject({ times: 1, effect: expiredToken() })
  await expect(ec2.send(ask)).rejects.toMatchObject({ name: 'RequestExpired' })
  await ec2.send(ask)
  front.settings.credentials[0]!.expired = true
  await expect(ec2.send(ask)).rejects.toMatchObject({ name: 'RequestExpired' })
  await expect(startSnapshot(new EBSClient(config))).rejects.toMatchObject({ name: 'ExpiredTokenException' })
  const who = new STSClient(config).send(new GetCallerIdentityCommand({}))
  await expect(who).rejects.toMatchObject({ name: 'ExpiredToken' })
})

test('a new thing stays unknown for as many calls as it was told', async () => {
  await using front = await aws.front({ unknownFor: { snapshot: 2, image: 0, instance: 1 } })
  const ebs = new EBSClient(clientConfig(front))
  const ec2 = new EC2Client(clientConfig(front))
  const id = await startSnapshot(ebs)
  const bytes = randomBytes(blockBytes)
  for (let i = 0; i < 2; i += 1)
    await expect(putBlock(ebs, id, 0, bytes)).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  await putBlock(ebs, id, 0, bytes)
  const other = await startSnapshot(ebs)
  for (let i = 0; i < 2; i += 1)
    await expect(snapshotState(ec2, other)).rejects.toMatchObject({ name: 'InvalidSnapshot.NotFound' })
  expect(await snapshotState(ec2, other)).toBe('pending')
  await ec2.send(machine('lease'))
  expect([await machines(ec2), await machines(ec2)]).toEqual([0, 1])
  front.settings.unknownFor.snapshot = 0
  await completedSnapshot(ebs, ec2)
})

test('a late request is done when it is let happen, and not before', async () => {
  await using front = await aws.front()
  const ec2 = new EC2Client(clientConfig(front))
  const { effect, letHappen } = late()
  const { happened } = front.inject({ action: 'RunInstances', times: 1, effect })
  const stop = new AbortController()
  const asking = ec2.send(machine('once'), { abortSignal: stop.signal })
  const outcome = expect(asking).rejects.toThrow()
  await happened
  stop.abort()
  await outcome
  expect(await machines(ec2)).toBe(0)
  expect(await letHappen()).toMatchObject({ action: 'RunInstances', status: 200 })
  expect(await machines(ec2)).toBe(1)
})
