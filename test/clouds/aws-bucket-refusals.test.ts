import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import type { AwsConfiguration } from '#clouds/aws/config.ts'
import { testContext } from '#test/contract/cloud.ts'
import { makeBucket } from './aws-bucket-fixture.ts'
import { awsBucketForTests } from './aws-bucket-tests.ts'
import { mainRegion, otherRegion } from './aws-fixture.ts'

const MiB = 1024 ** 2
const aws = awsBucketForTests()

async function check(change: Partial<AwsConfiguration> = {}): Promise<void> {
  const need = { virtualBytes: MiB, storedBytes: MiB }
  await (await aws.images(change)).check(mainRegion, need, testContext())
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
      const artifact = await aws.fixture.newArtifact(8 * MiB)
      const usual = aws.front.settings.importOutcome
      aws.front.settings.importOutcome = { status, statusMessage: said }
      await expect(aws.publish(artifact)).rejects.toMatchObject({
        code: 'aws-import-failed',
        class: failureClass,
        message: expect.stringContaining(said),
      })
      expect(await aws.fixture.inBucket()).toEqual([])
      aws.front.settings.importOutcome = usual
      await aws.publish(artifact)
      await aws.expectOnlyImage(artifact)
    },
  )
})

describe('what is wrong with bucket or role is said before a builder is rented, and with what to do', () => {
  test('another region', async () => {
    await makeBucket(aws.front, 'far-away', otherRegion)
    const told = {
      code: 'aws-bucket-region',
      class: 'user',
      message: expect.stringMatching(/far-away is in eu-west-1.*made in us-east-1/),
      hint: expect.stringContaining(`--region ${mainRegion}`),
    }
    await expect(check({ bucket: 'far-away' })).rejects.toMatchObject(told)
    const artifact = await aws.fixture.newArtifact(8 * MiB)
    await expect(aws.publish(artifact, { bucket: 'far-away' })).rejects.toMatchObject(told)
  })

  test('no such bucket', async () => {
    const told = { code: 'aws-bucket-missing', class: 'user', hint: expect.stringContaining('aws s3 mb') }
    await expect(check({ bucket: 'nowhere-to-be-found' })).rejects.toMatchObject(told)
    const artifact = await aws.fixture.newArtifact(8 * MiB)
    await expect(aws.publish(artifact, { bucket: 'nowhere-to-be-found' })).rejects.toMatchObject(told)
  })

  test('no such role; what was sent waits for it', async () => {
    const told = { code: 'aws-import-role', class: 'user', message: expect.stringContaining('nobody') }
    await expect(check({ importRole: 'nobody' })).rejects.toMatchObject(told)
    const artifact = await aws.fixture.newArtifact(8 * MiB)
    await expect(aws.publish(artifact, { importRole: 'nobody' })).rejects.toMatchObject(told)
    aws.front.forgetRequests()
    await aws.publish(artifact)
    expect(aws.calls('UploadPart')).toEqual([])
    await aws.expectOnlyImage(artifact)
  })

  test('no rights', async () => {
    const { policy } = aws.front.settings
    const deny = { Effect: 'Deny', Action: 's3:*', Resource: '*' } as const
    aws.front.settings.policy = { ...policy, Statement: [...[policy.Statement].flat(), deny] }
    const told = {
      code: 'aws-permission',
      message: expect.stringContaining(aws.fixture.bucket),
      hint: expect.stringContaining('docs/clouds/aws.md'),
    }
    const checked = await check().catch((error: unknown) => error)
    const published = await aws.failureOf(await aws.fixture.newArtifact(8 * MiB))
    aws.front.settings.policy = policy
    expect(checked).toMatchObject(told)
    expect(published).toMatchObject(told)
    await check()
  })
})

test('an object that is not what its name says is refused and left alone', async () => {
  const artifact = await aws.fixture.newArtifact(8 * MiB)
  const Key = `${aws.fixture.owner}/sha256/${artifact.sha256}/test/x86_64.raw`
  const place = { Bucket: aws.fixture.bucket, Key }
  await aws.fixture.s3.send(new PutObjectCommand({ ...place, Body: Buffer.alloc(8 * MiB) }))
  await expect(aws.publish(artifact)).rejects.toMatchObject({
    code: 'aws-object-differs',
    hint: expect.stringContaining(`aws s3 rm s3://${aws.fixture.bucket}/${Key}`),
  })
  expect(await aws.fixture.inBucket()).toEqual([Key])
  expect(aws.calls('ImportSnapshot')).toEqual([])
  await aws.fixture.s3.send(new DeleteObjectCommand(place))
})
