import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { testContext } from '#test/contract/cloud.ts'
import { inTurns } from '#test/in-turns.ts'
import {
  cut,
  garbage,
  lostAnswer,
  refusedWith,
  serverError,
  throttled,
} from '#test/servers/aws-front/effects.ts'
import type { Fault } from '#test/servers/aws-front/faults.ts'
import { awsBucketForTests } from './aws-bucket-tests.ts'
import { mainRegion } from './aws-fixture.ts'

const MiB = 1024 ** 2
const aws = awsBucketForTests()
const someOf = inTurns()

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
    const artifact = await aws.fixture.newArtifact(8 * MiB)
    const injected = aws.front.inject(fault)
    try {
      await aws.publish(artifact)
    } finally {
      injected.remove()
    }
    await aws.expectOnlyImage(artifact)
    return injected.count
  }

  test.each(changing)('goes on when the answer to %s is lost, with one effect', async (action) => {
    for (const effect of someOf([lostAnswer(), cut(true)]))
      expect(await publishThrough({ action, times: 1, effect })).toBe(1)
  })

  test.each(changing)('goes on when %s fails for a while', async (action) => {
    for (const effect of someOf([serverError(), throttled()]))
      expect(await publishThrough({ action, times: 2, effect })).toBe(2)
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
      const artifact = await aws.fixture.newArtifact(8 * MiB)
      const fault = aws.front.inject({ action, effect: garbage(200) })
      const failure = await aws.failureOf(artifact)
      fault.remove()
      expect(failure).toMatchObject({ class: 'infra' })
      await aws.publish(artifact)
      await aws.expectOnlyImage(artifact)
    },
  )
})

test('a disk far larger than the memory that may be used for it passes through', async () => {
  const artifact = await aws.fixture.newArtifact(320 * MiB)
  const key = await aws.keyOf(artifact)
  const configuration = { region: mainRegion, endpoint: aws.front.endpoint, bucket: aws.fixture.bucket }
  const program = new URL('aws-upload-run.ts', import.meta.url).pathname
  const { stdout } = await execa(process.execPath, [program, JSON.stringify([configuration, artifact, key])])
  const { peakBytes } = JSON.parse(stdout) as { peakBytes: number }
  expect(aws.calls('UploadPart')).toHaveLength(5)
  expect(peakBytes).toBeLessThan(256 * MiB)
  const images = await aws.images()
  for (const left of await aws.leftovers()) await images.discard(left, testContext())
  expect(await aws.fixture.inBucket()).toEqual([])
})
