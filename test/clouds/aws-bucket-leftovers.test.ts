import { describe, expect, test } from 'vitest'
import { testContext } from '#test/contract/cloud.ts'
import { stalled } from '#test/servers/aws-front/effects.ts'
import { awsBucketForTests } from './aws-bucket-tests.ts'

const MiB = 1024 ** 2
const aws = awsBucketForTests()

describe('what a publish by way of a bucket left', () => {
  test('is removed, but an object not before AWS has read it', async () => {
    const artifact = await aws.fixture.newArtifact()
    const polls = aws.front.settings.polls.import
    aws.front.settings.polls.import = 5
    const stall = aws.front.inject({ action: 'DescribeImportSnapshotTasks', after: 1, effect: stalled() })
    await aws.fixture.killPublish(artifact, await aws.keyOf(artifact), stall.happened)
    stall.remove()
    const images = await aws.images()
    const [object] = await aws.leftovers()
    expect(object).toMatchObject({ id: expect.stringMatching(/^s3:/), state: 'whole' })
    await images.discard(object!, testContext())
    expect(await aws.fixture.inBucket()).toHaveLength(1)
    aws.front.settings.polls.import = polls
    await aws.fixture.endImports()
    const left = await aws.leftovers()
    expect(left).toHaveLength(2)
    for (const each of [...left, ...left]) await images.discard(each, testContext())
    expect(await aws.leftovers()).toEqual([])
    expect(await aws.fixture.inBucket()).toEqual([])
  })

  test('is found and removed with exactly the rights that the doctor lists, and so is all else done', async () => {
    const { policy } = aws.front.settings
    aws.front.settings.policy = JSON.parse(aws.fixture.completePolicy()) as typeof policy
    try {
      const image = await aws.publish(await aws.fixture.newArtifact(8 * MiB))
      const artifact = await aws.fixture.newArtifact(8 * MiB)
      const stall = aws.front.inject({ action: 'DescribeImportSnapshotTasks', after: 1, effect: stalled() })
      await aws.fixture.killPublish(artifact, await aws.keyOf(artifact), stall.happened)
      stall.remove()
      await aws.fixture.endImports()
      const images = await aws.images()
      const left = await aws.leftovers()
      expect(left.map(({ state }) => state).toSorted()).toEqual(['completed', 'whole'])
      for (const each of left) await images.discard(each, testContext())
      await images.remove(image, testContext())
      expect(await aws.leftovers()).toEqual([])
      expect(aws.front.requests.filter(({ refusal }) => /Unauthorized|Denied/.test(refusal ?? ''))).toEqual(
        [],
      )
    } finally {
      aws.front.settings.policy = policy
    }
  })

  test('ends so long after its last part, not after its beginning', async () => {
    const artifact = await aws.fixture.newArtifact()
    const key = await aws.keyOf(artifact)
    aws.front.settings.clockSkewMs = -4 * 60_000
    await aws.fixture.killPublish(artifact, key)
    aws.front.settings.clockSkewMs = 0
    const [upload] = await aws.leftovers()
    expect(upload).toMatchObject({ id: expect.stringMatching(/^s3:.*#/), state: 'unfinished' })
    const hours = (Date.parse(upload!.expires!) - Date.now()) / 3_600_000
    expect(hours).toBeGreaterThan(2.95)
    expect(hours).toBeLessThan(3.05)
    await (await aws.images()).discard(upload!, testContext())
    expect(await aws.fixture.inBucket()).toEqual([])
  })
})
