import {
  type RunInstancesCommandInput,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import { describe, expect, test } from 'vitest'
import type { Context } from '#src/context.ts'
import { gather, testContext } from '#test/contract/shared.ts'
import {
  cut,
  garbage,
  lostAnswer,
  overQuota,
  refusedWith,
  serverError,
  stalled,
  throttled,
} from '#test/servers/aws-front/effects.ts'
import type { Effect } from '#test/servers/aws-front/faults.ts'
import { awsForTests } from '#test/servers/aws-test.ts'
import { baseImages } from '#test/servers/moto-tree.ts'
import { createAwsBuildersFixture } from './aws-builders-fixture.ts'

const aws = awsForTests()
type Front = Awaited<ReturnType<typeof aws.front>>

/** Tokens of the requests for machines, in order. */
function tokensAsked({ requests }: Front): (string | undefined)[] {
  return requests
    .filter(({ action }) => action === 'RunInstances')
    .map(({ parameters }) => parameters['ClientToken'])
}

/** What EC2 says while it does not show a machine yet. */
const nothingThere = garbage(
  200,
  false,
  '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><reservationSet/></DescribeInstancesResponse>',
)

/** A context whose pauses are over at once. */
function hasty(): Context & { told: string[] } {
  return { ...testContext(), sleep: () => Promise.resolve() }
}

describe('a request for a machine whose answer is lost', () => {
  const effects: [string, Effect][] = [
    ['a failure is answered after it was done', lostAnswer()],
    ['the connection breaks after it was done', cut(true)],
    ['a page of a proxy is answered after it was done', garbage(200, true)],
  ]
  test.each(effects)('gets that machine and no second one: %s', async (_what, effect) => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const fault = front.inject({ action: 'RunInstances', times: 1, effect })
    const ctx = testContext()
    const lease = fixture.newLease()
    const ref = await fixture.pool().acquire(fixture.spec, lease, ctx)
    expect(fault.count).toBe(1)
    expect(ctx.told).toContain(`${ref.machine} was started although its answer was lost`)
    expect(await fixture.machines(lease)).toMatchObject([{ InstanceId: ref.machine }])
    expect(tokensAsked(front)).toHaveLength(1)
  })

  test('is repeated with its own token when EC2 does not show the machine, and with no other', async () => {
    await using front = await aws.front({ unknownFor: { snapshot: 0, image: 0, instance: 20 } })
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    front.inject({ action: 'RunInstances', times: 1, effect: lostAnswer() })
    front.settings.noCapacity.push({ instanceType: 'c5.large' })
    const lease = fixture.newLease()
    const change = { instanceTypes: { x86_64: ['m5.large', 'c5.large'] } }
    await fixture.pool(change).acquire(fixture.spec, lease, hasty())
    const token = `factory-${lease.id}.0`
    expect(tokensAsked(front)).toEqual([token, token])
    expect(await fixture.machines(lease)).toHaveLength(1)
  })

  test('whose factory was killed meanwhile is found at the next try', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const { happened } = front.inject({ action: 'RunInstances', times: 1, effect: stalled(true) })
    const killed = new AbortController()
    const lease = fixture.newLease()
    const acquiring = fixture.pool().acquire(fixture.spec, lease, { ...testContext(), signal: killed.signal })
    acquiring.catch(() => {})
    await happened
    killed.abort(new Error('killed'))
    await expect(acquiring).rejects.toThrow('killed')
    const ref = await fixture.pool().acquire(fixture.spec, lease, testContext())
    expect(await fixture.machines(lease)).toMatchObject([{ InstanceId: ref.machine }])
    expect(tokensAsked(front)).toHaveLength(1)
  })

  test('is given back although nobody ever saw its machine, not even by its marks', async () => {
    await using front = await aws.front({ unknownFor: { snapshot: 0, image: 0, instance: 2 } })
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const { happened } = front.inject({ action: 'RunInstances', times: 1, effect: stalled(true) })
    const killed = new AbortController()
    const lease = fixture.newLease()
    const acquiring = fixture.pool().acquire(fixture.spec, lease, { ...testContext(), signal: killed.signal })
    acquiring.catch(() => {})
    await happened
    killed.abort(new Error('killed'))
    await expect(acquiring).rejects.toThrow('killed')
    await fixture.pool().release(lease.id, testContext())
    expect(await fixture.machines(lease)).toMatchObject([{ State: { Name: 'terminated' } }])
  })

  test('and that nobody may look for is still given back when somebody may', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const lease = fixture.newLease()
    front.inject({ action: 'RunInstances', times: 1, effect: cut(true) })
    const effect = refusedWith({ code: 'UnauthorizedOperation', message: 'no', status: 403 })
    const blind = front.inject({ action: 'DescribeInstances', after: 1, effect })
    await expect(fixture.pool().acquire(fixture.spec, lease, testContext())).rejects.toMatchObject({
      code: 'aws-permission',
    })
    blind.remove()
    const unseen = front.inject({ action: 'DescribeInstances', times: 1, effect: nothingThere })
    await fixture.pool().release(lease.id, testContext())
    expect(unseen.count).toBe(1)
    expect(await fixture.machines(lease)).toMatchObject([{ State: { Name: 'terminated' } }])
  })

  test('is not taken for given back when something else than EC2 answers what there is', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const lease = fixture.newLease()
    await fixture.pool().acquire(fixture.spec, lease, testContext())
    const fault = front.inject({ action: 'DescribeInstances', effect: garbage() })
    await expect(fixture.pool().release(lease.id, testContext())).rejects.toMatchObject({
      code: 'aws-answer-unreadable',
      class: 'infra',
    })
    await expect(gather(fixture.pool().find(lease.owner, testContext()))).rejects.toThrow('us-east-1')
    fault.remove()
    await fixture.pool().release(lease.id, testContext())
    expect(await fixture.machines(lease)).toMatchObject([{ State: { Name: 'terminated' } }])
  })

  test('whose token was used for another request, and whose machine is gone, ends the lease', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const lease = fixture.newLease()
    const other: RunInstancesCommandInput = {
      ClientToken: `factory-${lease.id}.0`,
      ImageId: baseImages.x86_64.older,
      InstanceType: 'm5.large',
      MinCount: 1,
      MaxCount: 1,
    }
    const { Instances } = await fixture.ec2().send(new RunInstancesCommand(other))
    const InstanceIds = [Instances![0]!.InstanceId!]
    await fixture.ec2().send(new TerminateInstancesCommand({ InstanceIds }))
    await expect(fixture.pool().acquire(fixture.spec, lease, hasty())).rejects.toMatchObject({
      code: 'aws-request-changed',
      class: 'infra',
    })
    expect(await fixture.machines(lease)).toEqual([])
  })
})

describe('a request for a machine that fails', () => {
  test('is repeated with the same token while EC2 is out of breath', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    front.inject({ action: 'RunInstances', times: 1, effect: throttled() })
    front.inject({ action: 'RunInstances', times: 1, effect: serverError() })
    const lease = fixture.newLease()
    await fixture.pool().acquire(fixture.spec, lease, hasty())
    expect(new Set(tokensAsked(front)).size).toBe(1)
    expect(tokensAsked(front)).toHaveLength(3)
    expect(await fixture.machines(lease)).toHaveLength(1)
  })

  test('for want of a right is not repeated, in no way', async () => {
    const allowed = { Effect: 'Allow', Action: '*', Resource: '*' } as const
    const denied = { Effect: 'Deny', Action: 'ec2:RunInstances', Resource: '*' } as const
    await using front = await aws.front({ policy: { Statement: [allowed, denied] } })
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const change = { instanceTypes: { x86_64: ['m5.large', 'c5.large'] } }
    const acquiring = fixture.pool(change).acquire(fixture.spec, fixture.newLease(), testContext())
    await expect(acquiring).rejects.toMatchObject({
      code: 'aws-permission',
      class: 'permission',
      message: expect.stringContaining('is not authorized to perform: ec2:RunInstances'),
    })
    expect(tokensAsked(front)).toHaveLength(1)
  })

  test('for want of a quota is made in the other market, and says quota when none is left', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const spot = front.inject({
      action: 'RunInstances',
      when: ({ parameters }) => parameters['InstanceMarketOptions.MarketType'] === 'spot',
      effect: overQuota('MaxSpotInstanceCountExceeded'),
    })
    const lease = fixture.newLease()
    await fixture.pool({ spot: 'first' }).acquire(fixture.spec, lease, testContext())
    expect(spot.count).toBe(1)
    expect((await fixture.machines(lease))[0]).not.toHaveProperty('InstanceLifecycle', 'spot')

    front.inject({ action: 'RunInstances', effect: overQuota('VcpuLimitExceeded') })
    const acquiring = fixture.pool({ spot: 'first' }).acquire(fixture.spec, fixture.newLease(), testContext())
    await expect(acquiring).rejects.toMatchObject({
      code: 'aws-quota',
      class: 'quota',
      message: expect.stringContaining('MaxSpotInstanceCountExceeded, VcpuLimitExceeded'),
    })
  })

  test('is not made at all while nobody can say whether the lease has a machine', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    front.inject({ action: 'DescribeInstances', effect: serverError() })
    const acquiring = fixture.pool().acquire(fixture.spec, fixture.newLease(), testContext())
    await expect(acquiring).rejects.toMatchObject({ code: 'aws-failed', class: 'infra' })
    expect(tokensAsked(front)).toEqual([])
  })
})

describe('a machine that ends by itself', () => {
  test('before it runs, taken back by the spot market: an on-demand one takes its place', async () => {
    await using front = await aws.front({ polls: { snapshot: 0, image: 0, import: 0, instance: 3 } })
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const ctx = testContext()
    const lease = fixture.newLease()
    const acquiring = fixture.pool({ spot: 'first' }).acquire(fixture.spec, lease, ctx)
    acquiring.catch(() => {})
    await expect.poll(() => ctx.told.find((line) => line.startsWith('waiting for i-'))).toBeDefined()
    const [, first = ''] = /waiting for (\S+)/.exec(ctx.told.join('\n')) ?? []
    await front.interrupt(first)
    const { machine } = await acquiring
    expect(machine).not.toBe(first)
    expect(ctx.told.join('\n')).toContain('Server.SpotInstanceTermination')
    const markets = front.requests
      .filter(({ action }) => action === 'RunInstances')
      .map(({ parameters }) => parameters['InstanceMarketOptions.MarketType'] ?? 'on-demand')
    expect(markets).toEqual(['spot', 'on-demand'])
  })

  test('powers itself off for good: nothing of its lease stays', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const ctx = testContext()
    const lease = fixture.newLease()
    const { machine } = await fixture.pool().acquire(fixture.spec, lease, ctx)
    await front.powerOff(machine)
    const left = async () => (await gather(fixture.pool().find(fixture.owner, ctx))).length
    await expect.poll(left, { timeout: 20_000 }).toBe(0)
  })

  test('is given back by that where EC2 does not let it be ended, which is told until then', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const ctx = testContext()
    const lease = fixture.newLease()
    const { machine } = await fixture.pool().acquire(fixture.spec, lease, ctx)
    const message = `The instance '${machine}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.`
    front.inject({
      action: 'TerminateInstances',
      effect: refusedWith({ code: 'OperationNotPermitted', message }),
    })
    await expect(fixture.pool().release(lease.id, ctx)).rejects.toMatchObject({
      class: 'permission',
      message: expect.stringContaining(`ending ${machine} in us-east-1 failed: OperationNotPermitted`),
    })
    await front.powerOff(machine)
    const ended = async () => (await fixture.machines(lease))[0]?.State?.Name
    await expect.poll(ended).toBe('terminated')
    await fixture.pool().release(lease.id, ctx)
    expect(await gather(fixture.pool().find(fixture.owner, ctx))).toEqual([])
  })
})
