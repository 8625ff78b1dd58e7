import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Artifact } from '#src/artifact/types.ts'
import { gather, imageKey, testContext } from '#test/contract/cloud.ts'
import { inTurns } from '#test/in-turns.ts'
import {
  cut,
  expiredToken,
  garbage,
  lostAnswer,
  refusedWith,
  serverError,
  stalled,
  throttled,
} from '#test/servers/aws-front/effects.ts'
import type { Effect, Fault } from '#test/servers/aws-front/faults.ts'
import { type AwsFront, startAwsFront } from '#test/servers/aws-front/front.ts'
import { type Moto, startMoto } from '#test/servers/moto.ts'
import { type AwsImagesFixture, createAwsImagesFixture } from './aws-fixture.ts'

const MiB = 1024 ** 2
const someOf = inTurns()
/** The calls of a publish that change something, in their order. */
const changing = [
  'StartSnapshot',
  'PutSnapshotBlock',
  'CompleteSnapshot',
  'RegisterImage',
  'ModifyImageAttribute',
  'ModifySnapshotAttribute',
  'EnableImageDeprecation',
  'CreateTags',
]

let moto: Moto
let front: AwsFront
let fixture: AwsImagesFixture
beforeAll(async () => {
  moto = await startMoto()
  front = await startAwsFront({ upstream: moto.endpoint })
  fixture = await createAwsImagesFixture(front.endpoint, {
    copyTo: [],
    share: { accounts: ['210987654321'], organizations: [], public: false },
    deprecateAfter: '90d',
  })
})
beforeEach(() => front.forgetRequests())
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
  await front[Symbol.asyncDispose]()
  await moto[Symbol.asyncDispose]()
})

const calls = (action: string) => front.requests.filter((request) => request.action === action)

/** A disk of three blocks that nobody has published yet. */
async function newArtifact(): Promise<Artifact> {
  const name = `${randomBytes(4).toString('hex')}.raw`
  return await fixture.makeArtifact(name, 8 * MiB, [[MiB, randomBytes(1.5 * MiB)]])
}

async function publish(artifact: Artifact, signal = testContext().signal) {
  const cloud = await fixture.open()
  const key = imageKey(cloud, fixture.owner, artifact, artifact.sha256.slice(0, 8))
  return await cloud.images!.publish(artifact, key, { ...testContext(), signal })
}

/** One image of the artifact, whole, nothing half-made, nothing twice. */
async function expectOnlyImage(artifact: Artifact): Promise<void> {
  const { images } = await fixture.open()
  const ctx = testContext()
  const ours = (await gather(images!.list(ctx))).filter(({ sha256 }) => sha256 === artifact.sha256)
  expect(ours).toHaveLength(1)
  expect(await gather(images!.leftovers(fixture.owner, ctx))).toEqual([])
  await images!.remove(ours[0]!, ctx)
}

/** Publishes while the fault is there; the image must come out whole. */
async function publishThrough(fault: Fault): Promise<number> {
  const artifact = await newArtifact()
  const injected = front.inject(fault)
  try {
    await publish(artifact)
  } finally {
    injected.remove()
  }
  await expectOnlyImage(artifact)
  return injected.count
}

/** The failure of a publish while the fault is there. */
async function failureOf(fault: Fault): Promise<unknown> {
  const injected = front.inject(fault)
  try {
    return await publish(await newArtifact()).then(
      () => undefined,
      (error: unknown) => error,
    )
  } finally {
    injected.remove()
    const { images } = await fixture.open()
    for (const left of await gather(images!.leftovers(fixture.owner, testContext()))) {
      await images!.discard(left, testContext())
    }
  }
}

describe('a publish to AWS', () => {
  test('changes something with just the calls that the tests below break', async () => {
    const artifact = await newArtifact()
    await publish(artifact)
    const reading = /^(Describe|Get|List)/
    const made = [
      ...new Set(front.requests.map(({ action }) => action).filter((action) => !reading.test(action))),
    ]
    expect(made).toEqual(changing)
    await expectOnlyImage(artifact)
  })

  for (const isDone of [false, true]) {
    test.each(changing)(
      `killed ${isDone ? 'after' : 'before'} its %s had its effect goes on to one whole image`,
      async (action) => {
        const artifact = await newArtifact()
        const hanging = front.inject({ action, times: 1, effect: stalled(isDone) })
        try {
          const key = imageKey(await fixture.open(), fixture.owner, artifact, artifact.sha256.slice(0, 8))
          await fixture.killPublish(artifact, key, hanging.happened)
        } finally {
          hanging.remove()
        }
        await publish(artifact)
        await expectOnlyImage(artifact)
      },
    )
  }

  test.each(changing)('whose answer to %s is lost makes one whole image', async (action) => {
    for (const effect of someOf([lostAnswer(), cut(true)]))
      expect(await publishThrough({ action, times: 1, effect })).toBe(1)
  })

  test('whose answer to RegisterImage is lost waits for EC2 to show its image', async () => {
    front.settings.unknownFor.image = 3
    try {
      expect(await publishThrough({ action: 'RegisterImage', times: 1, effect: lostAnswer() })).toBe(1)
    } finally {
      front.settings.unknownFor.image = 0
    }
  })

  test.each<[string, Fault]>([
    ['a storm of throttling', { action: 'PutSnapshotBlock', times: 12, effect: throttled() }],
    ['throttling of EC2', { service: 'ec2', every: 3, times: 4, effect: throttled() }],
    ['errors of the service', { every: 4, times: 6, effect: serverError() }],
    ['pages that are not from AWS', { action: 'PutSnapshotBlock', times: 3, effect: garbage(503) }],
    ['a put that never gets an answer', { action: 'PutSnapshotBlock', times: 1, effect: stalled() }],
    ['one expired token', { action: 'PutSnapshotBlock', times: 1, effect: expiredToken() }],
  ])('gets through %s', async (_name, fault) => {
    expect(await publishThrough(fault)).toBeGreaterThan(0)
  })

  test('waits for EBS to know its new snapshot', async () => {
    const unknown = refusedWith({
      code: 'ResourceNotFoundException',
      message: 'The snapshot does not exist.',
      status: 404,
    })
    expect(await publishThrough({ action: 'PutSnapshotBlock', times: 4, effect: unknown })).toBe(4)
  })

  test('asks again for a snapshot when the answer names none', async () => {
    const nothing = garbage(200, true, '{}')
    expect(await publishThrough({ action: 'StartSnapshot', times: 1, effect: nothing })).toBe(1)
    expect(calls('StartSnapshot')).toHaveLength(2)
  })

  test.each<[string, Effect]>([
    ['RegisterImage', garbage(200, true)],
    ['DescribeSnapshots', garbage()],
    ['DescribeImages', garbage()],
  ])(
    'takes a page of something else for no answer to %s, and not for an empty one',
    async (action, effect) => {
      const artifact = await newArtifact()
      const injected = front.inject({ action, times: 1, effect })
      await expect(publish(artifact)).rejects.toMatchObject({ code: 'aws-answer-unreadable', class: 'infra' })
      injected.remove()
      await publish(artifact)
      await expectOnlyImage(artifact)
    },
  )

  const denied = refusedWith({ code: 'AccessDeniedException', message: 'not authorized', status: 403 })
  const unauthorized = refusedWith({
    code: 'UnauthorizedOperation',
    message: 'You are not authorized to perform this operation.',
    status: 403,
  })
  test.each<[string, string, Effect]>([
    ['aws-permission', 'PutSnapshotBlock', denied],
    ['aws-permission', 'RegisterImage', unauthorized],
    ['aws-credentials', 'StartSnapshot', expiredToken()],
    [
      'aws-quota',
      'StartSnapshot',
      refusedWith({ code: 'ServiceQuotaExceededException', message: 'no more', status: 402 }),
    ],
  ])('stops at once with %s when its %s is refused, and says what to do', async (code, action, effect) => {
    const error = await failureOf({ action, effect })
    expect(error).toMatchObject({ code, hint: expect.stringMatching(/\w{4}/) })
    expect((error as Error).message).toContain('us-east-1')
    expect(calls(action).length).toBeLessThanOrEqual(3)
  })

  test('stops when it is told to, while a put hangs', async () => {
    const stop = new AbortController()
    const hanging = front.inject({ action: 'PutSnapshotBlock', effect: stalled() })
    const publishing = publish(await newArtifact(), stop.signal)
    const outcome = expect(publishing).rejects.toThrow('enough')
    await hanging.happened
    const stoppedAt = Date.now()
    stop.abort(new Error('enough'))
    await outcome
    hanging.remove()
    expect(Date.now() - stoppedAt).toBeLessThan(2_000)
  })
})
