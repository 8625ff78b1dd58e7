import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { AwsConfiguration } from '#clouds/aws/config.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { gather, imageKey, testContext } from '#test/contract/cloud.ts'
import {
  cut,
  garbage,
  lostAnswer,
  refusedWith,
  serverError,
  throttled,
} from '#test/servers/aws-front/effects.ts'
import type { Fault } from '#test/servers/aws-front/faults.ts'
import { type AwsFront, startAwsFront } from '#test/servers/aws-front/front.ts'
import { type Moto, startMoto } from '#test/servers/moto.ts'
import { type AwsBucketFixture, createAwsBucketFixture, makeBucket } from './aws-bucket-fixture.ts'
import { mainRegion, otherRegion } from './aws-fixture.ts'

const MiB = 1024 ** 2

let moto: Moto
let front: AwsFront
let fixture: AwsBucketFixture
beforeAll(async () => {
  moto = await startMoto()
  front = await startAwsFront({ upstream: moto.endpoint })
  front.settings.polls.import = 1
  fixture = await createAwsBucketFixture(front, { copyTo: [] })
})
beforeEach(() => front.forgetRequests())
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
  await front[Symbol.asyncDispose]()
  await moto[Symbol.asyncDispose]()
})

const calls = (action: string) => front.requests.filter((request) => request.action === action)

async function publish(artifact: Artifact, change: Partial<AwsConfiguration> = {}) {
  const cloud = await fixture.open(change)
  const key = imageKey(cloud, fixture.owner, artifact, artifact.sha256.slice(0, 8))
  return await cloud.images!.publish(artifact, key, testContext())
}

async function failureOf(artifact: Artifact): Promise<unknown> {
  return await publish(artifact).then(
    () => undefined,
    (error: unknown) => error,
  )
}

async function check(change: Partial<AwsConfiguration> = {}): Promise<void> {
  const need = { virtualBytes: MiB, storedBytes: MiB }
  await (await fixture.open(change)).images!.check(mainRegion, need, testContext())
}

/** One image of the artifact, and nothing but it. */
async function expectOnlyImage(artifact: Artifact): Promise<void> {
  const { images } = await fixture.open()
  const ctx = testContext()
  const ours = (await gather(images!.list(ctx))).filter(({ sha256 }) => sha256 === artifact.sha256)
  expect(ours).toHaveLength(1)
  expect(await gather(images!.leftovers(fixture.owner, ctx))).toEqual([])
  expect(await fixture.inBucket()).toEqual([])
  await images!.remove(ours[0]!, ctx)
}

describe('an import that ends otherwise than with a snapshot', () => {
  test.each([
    ['deleting', 'ClientError: Disk validation failed [Unsupported disk]', 'user'],
    ['deleted', 'ClientError: Disk validation failed [Unsupported disk]', 'user'],
    ['deleted', 'ClientError: User does not have access to the S3 object (x)', 'permission'],
    ['cancelling', 'Cancelled by the user', 'infra'],
    ['cancelled', 'Cancelled by the user', 'infra'],
    ['error', 'ServerError: an internal error has occurred during conversion', 'infra'],
  ] as const)(
    '%s: is told in AWS’s words (%s), and its object removed',
    async (status, said, failureClass) => {
      const artifact = await fixture.newArtifact(8 * MiB)
      const usual = front.settings.importOutcome
      front.settings.importOutcome = { status, statusMessage: said }
      await expect(publish(artifact)).rejects.toMatchObject({
        code: 'aws-import-failed',
        class: failureClass,
        message: expect.stringContaining(said),
      })
      expect(await fixture.inBucket()).toEqual([])
      front.settings.importOutcome = usual
      await publish(artifact)
      await expectOnlyImage(artifact)
    },
  )
})

describe('what is wrong with bucket or role is said before a builder is rented, and with what to do', () => {
  test('another region', async () => {
    await makeBucket(front, 'far-away', otherRegion)
    const told = {
      code: 'aws-bucket-region',
      class: 'user',
      message: expect.stringMatching(/far-away is in eu-west-1.*made in us-east-1/),
      hint: expect.stringContaining(`--region ${mainRegion}`),
    }
    await expect(check({ bucket: 'far-away' })).rejects.toMatchObject(told)
    const artifact = await fixture.newArtifact(8 * MiB)
    await expect(publish(artifact, { bucket: 'far-away' })).rejects.toMatchObject(told)
  })

  test('no such bucket', async () => {
    const told = { code: 'aws-bucket-missing', class: 'user', hint: expect.stringContaining('aws s3 mb') }
    await expect(check({ bucket: 'nowhere-to-be-found' })).rejects.toMatchObject(told)
    const artifact = await fixture.newArtifact(8 * MiB)
    await expect(publish(artifact, { bucket: 'nowhere-to-be-found' })).rejects.toMatchObject(told)
  })

  test('no such role; what was sent waits for it', async () => {
    const told = { code: 'aws-import-role', class: 'user', message: expect.stringContaining('nobody') }
    await expect(check({ importRole: 'nobody' })).rejects.toMatchObject(told)
    const artifact = await fixture.newArtifact(8 * MiB)
    await expect(publish(artifact, { importRole: 'nobody' })).rejects.toMatchObject(told)
    front.forgetRequests()
    await publish(artifact)
    expect(calls('UploadPart')).toEqual([])
    await expectOnlyImage(artifact)
  })

  test('no rights', async () => {
    const { policy } = front.settings
    const deny = { Effect: 'Deny', Action: 's3:*', Resource: '*' } as const
    front.settings.policy = { ...policy, Statement: [...[policy.Statement].flat(), deny] }
    const told = {
      code: 'aws-permission',
      message: expect.stringContaining(fixture.bucket),
      hint: expect.stringContaining('docs/clouds/aws.md'),
    }
    const checked = await check().catch((error: unknown) => error)
    const published = await failureOf(await fixture.newArtifact(8 * MiB))
    front.settings.policy = policy
    expect(checked).toMatchObject(told)
    expect(published).toMatchObject(told)
    await check()
  })
})

test('an object that is not what its name says is refused and left alone', async () => {
  const artifact = await fixture.newArtifact(8 * MiB)
  const Key = `${fixture.owner}/sha256/${artifact.sha256}/test/x86_64.raw`
  const place = { Bucket: fixture.bucket, Key }
  await fixture.s3.send(new PutObjectCommand({ ...place, Body: Buffer.alloc(8 * MiB) }))
  await expect(publish(artifact)).rejects.toMatchObject({
    code: 'aws-object-differs',
    hint: expect.stringContaining(`aws s3 rm s3://${fixture.bucket}/${Key}`),
  })
  expect(await fixture.inBucket()).toEqual([Key])
  expect(calls('ImportSnapshot')).toEqual([])
  await fixture.s3.send(new DeleteObjectCommand(place))
})

const changing = [
  'CreateMultipartUpload',
  'UploadPart',
  'CompleteMultipartUpload',
  'ImportSnapshot',
  'CreateTags',
  'DeleteObject',
]

describe('a publish by way of a bucket', () => {
  async function publishThrough(fault: Fault): Promise<number> {
    const artifact = await fixture.newArtifact(8 * MiB)
    const injected = front.inject(fault)
    try {
      await publish(artifact)
    } finally {
      injected.remove()
    }
    await expectOnlyImage(artifact)
    return injected.count
  }

  test.each(changing)('goes on when the answer to %s is lost, with one effect', async (action) => {
    expect(await publishThrough({ action, times: 1, effect: lostAnswer() })).toBe(1)
    expect(await publishThrough({ action, times: 1, effect: cut(true) })).toBe(1)
  })

  test.each(changing)('goes on when %s fails for a while', async (action) => {
    expect(await publishThrough({ action, times: 2, effect: serverError() })).toBe(2)
    expect(await publishThrough({ action, times: 2, effect: throttled() })).toBe(2)
  })

  test('sends a part again that arrived broken', async () => {
    const effect = refusedWith({ code: 'BadDigest', message: 'The SHA256 you specified did not match' })
    expect(await publishThrough({ action: 'UploadPart', times: 2, effect })).toBe(2)
  })

  test.each([
    'HeadObject',
    'ListObjectsV2',
    'ListMultipartUploads',
    'CreateMultipartUpload',
    'UploadPart',
    'CompleteMultipartUpload',
  ])('asks again when something else than AWS answers %s', async (action) => {
    expect(await publishThrough({ action, times: 1, effect: garbage(200) })).toBe(1)
  })

  test.each(['CompleteMultipartUpload', 'ImportSnapshot'])(
    'that fails because %s is never answered by AWS goes on at the next try',
    async (action) => {
      const artifact = await fixture.newArtifact(8 * MiB)
      const fault = front.inject({ action, effect: garbage(200) })
      const failure = await failureOf(artifact)
      fault.remove()
      expect(failure).toMatchObject({ class: 'infra' })
      await publish(artifact)
      await expectOnlyImage(artifact)
    },
  )
})

test('a disk far larger than the memory that may be used for it passes through', async () => {
  const artifact = await fixture.newArtifact(320 * MiB)
  const key = imageKey(await fixture.open(), fixture.owner, artifact, 'large')
  const configuration = { region: mainRegion, endpoint: front.endpoint, bucket: fixture.bucket }
  const program = new URL('aws-upload-run.ts', import.meta.url).pathname
  const { stdout } = await execa(process.execPath, [program, JSON.stringify([configuration, artifact, key])])
  const { peakBytes } = JSON.parse(stdout) as { peakBytes: number }
  expect(calls('UploadPart')).toHaveLength(5)
  expect(peakBytes).toBeLessThan(256 * MiB)
  const { images } = await fixture.open()
  const ctx = testContext()
  for (const left of await gather(images!.leftovers(fixture.owner, ctx))) await images!.discard(left, ctx)
  expect(await fixture.inBucket()).toEqual([])
})
