import { DescribeSubnetsCommand, DescribeNetworkInterfacesCommand } from '@aws-sdk/client-ec2'
import { expect, test } from 'vitest'
import { freezeRequest } from '#clouds/aws/builders/freeze.ts'
import { marksOf } from '#clouds/aws/tags.ts'
import { gather, testContext } from '#test/contract/shared.ts'
import { allowAll } from '#test/servers/aws-front/policy.ts'
import { awsForTests } from '#test/servers/aws-test.ts'
import { baseImages } from '#test/servers/moto-tree.ts'
import { type AwsBuildersFixture, createAwsBuildersFixture } from './aws-builders-fixture.ts'

const aws = awsForTests()

/** What was asked for, in order: `spot m5.large subnet-…`. */
function askedFor(requests: Awaited<ReturnType<typeof aws.front>>['requests']): string[] {
  return requests
    .filter(({ action }) => action === 'RunInstances')
    .map(({ parameters }) => {
      const market = parameters['InstanceMarketOptions.MarketType'] ?? 'on-demand'
      return `${market} ${parameters['InstanceType']} ${parameters['NetworkInterface.1.SubnetId']}`
    })
}

async function twoSubnets(fixture: AwsBuildersFixture): Promise<[string, string]> {
  const { Subnets = [] } = await fixture.ec2().send(new DescribeSubnetsCommand({}))
  const inZone = (zone: string) =>
    Subnets.find(({ AvailabilityZone }) => AvailabilityZone?.endsWith(zone))!.SubnetId!
  return [inZone('a'), inZone('b')]
}

test('where there is no capacity the next way is asked for: other subnets, other types, on-demand instead of spot', async () => {
  await using front = await aws.front()
  await using fixture = await createAwsBuildersFixture(front.endpoint)
  const ctx = testContext()
  const [first, second] = await twoSubnets(fixture)
  const change = {
    subnets: [first, second],
    instanceTypes: { x86_64: ['m5.large', 'c5.large'] },
    spot: 'first',
  }
  front.settings.noCapacity.push({ market: 'spot' }, { instanceType: 'm5.large' }, { zone: 'us-east-1a' })
  const lease = fixture.newLease()
  const { machine } = await fixture.pool(change).acquire(fixture.spec, lease, ctx)
  expect(askedFor(front.requests)).toEqual([
    `spot m5.large ${first}`,
    `spot m5.large ${second}`,
    `spot c5.large ${first}`,
    `spot c5.large ${second}`,
    `on-demand m5.large ${first}`,
    `on-demand m5.large ${second}`,
    `on-demand c5.large ${first}`,
    `on-demand c5.large ${second}`,
  ])
  const tokens = front.requests.flatMap(({ action, parameters }) =>
    action === 'RunInstances' ? parameters['ClientToken'] : [],
  )
  expect(new Set(tokens).size).toBe(8)

  front.forgetRequests()
  front.settings.noCapacity.length = 0
  expect(await fixture.pool(change).acquire(fixture.spec, lease, ctx)).toMatchObject({ machine })
  expect(askedFor(front.requests)).toEqual([])
  await fixture.pool().release(lease.id, ctx)
})

test('a machine is told at the price of the way that gave it, and again when it is adopted', async () => {
  await using front = await aws.front({ noCapacity: [{ instanceType: 'm5.large' }] })
  await using fixture = await createAwsBuildersFixture(front.endpoint)
  const ctx = testContext()
  const types = { instanceTypes: { x86_64: ['m5.large', 'c5.large'] } }
  const prices = {
    machineHour: { 'm5.large': 0.096, 'c5.large': 0.085 },
    spotHour: { 'c5.large': 0.04 },
    volumeGibMonth: 0.73,
  }
  // The image's own 8 GiB and 20 for the build.
  const volume = { what: 'a volume of 28 GiB', price: { amount: expect.closeTo(0.028), currency: 'USD' } }
  for (const [spot, machine] of [
    ['first', { what: 'c5.large (spot)', price: { amount: 0.04, currency: 'USD' } }],
    ['never', { what: 'c5.large', price: { amount: 0.085, currency: 'USD' } }],
  ] as const) {
    const lease = fixture.newLease()
    const pool = fixture.pool({ ...types, prices, spot })
    for (const _ of [1, 2]) {
      const { rates } = await pool.acquire(fixture.spec, lease, ctx)
      expect(rates).toEqual([machine, volume])
    }
    await pool.release(lease.id, ctx)
  }
})

test('when there is no capacity anywhere the failure says so once for all, and nothing is left', async () => {
  await using front = await aws.front({ noCapacity: [{}] })
  await using fixture = await createAwsBuildersFixture(front.endpoint)
  const ctx = testContext()
  const lease = fixture.newLease()
  const change = { instanceTypes: { x86_64: ['m5.large', 'c5.large'] } }
  await expect(fixture.pool(change).acquire(fixture.spec, lease, ctx)).rejects.toMatchObject({
    code: 'aws-no-capacity',
    class: 'capacity',
    message: expect.stringMatching(
      /us-east-1 gave no machine in any of 2 ways \(InsufficientInstanceCapacity\)/,
    ),
  })
  expect(askedFor(front.requests)).toHaveLength(2)
  front.forgetRequests()
  await fixture.pool(change).release(lease.id, ctx)
  expect(await gather(fixture.pool().find(fixture.owner, ctx))).toEqual([])
})

test('an account without the role for spot machines is told how it is made, at the first request', async () => {
  await using front = await aws.front()
  await using fixture = await createAwsBuildersFixture(front.endpoint)
  front.settings.spotRole = 'missing'
  const deny = { Effect: 'Deny', Action: 'iam:CreateServiceLinkedRole', Resource: '*' } as const
  front.settings.policy = { Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }, deny] }
  const lease = fixture.newLease()
  const rent = () => fixture.pool({ spot: 'first' }).acquire(fixture.spec, lease, testContext())
  await expect(rent()).rejects.toMatchObject({
    code: 'aws-spot-role',
    class: 'permission',
    message: expect.stringContaining('ServiceLinkedRoleCreationNotPermitted'),
    hint: expect.stringContaining('aws iam create-service-linked-role --aws-service-name spot.amazonaws.com'),
  })
  expect(front.requests.filter(({ action }) => action === 'RunInstances')).toHaveLength(1)

  front.settings.policy = allowAll
  await rent()
  expect(await fixture.machines(lease)).toMatchObject([{ InstanceLifecycle: 'spot' }])
  expect(front.settings.spotRole).toBe('there')
})

test('the marks stand on machine, volume and network interface, and are found there page by page', async () => {
  await using front = await aws.front({ pageSize: 1 })
  await using fixture = await createAwsBuildersFixture(front.endpoint)
  const ctx = testContext()
  const leases = [fixture.newLease(), fixture.newLease()]
  for (const lease of leases) await fixture.pool().acquire(fixture.spec, lease, ctx)
  const found = await gather(fixture.pool().find(fixture.owner, ctx))
  for (const { id, owner, release, arch, expires } of leases) {
    const own = found.filter(({ leaseId }) => leaseId === id)
    expect(own.map(({ kind }) => kind).toSorted()).toEqual(['disk', 'machine', 'network-interface'])
    for (const resource of own) expect(resource).toMatchObject({ owner, release, arch, expires })
  }
  const { NetworkInterfaces = [] } = await fixture.ec2().send(new DescribeNetworkInterfacesCommand({}))
  expect(NetworkInterfaces.map(({ TagSet }) => marksOf(TagSet)['lease'])).toEqual([expect.any(String)])

  const later = new Date(Date.now() + 7_200_000).toISOString()
  await fixture.pool().prolong(leases[0]!.id, later, ctx)
  const prolonged = (await gather(fixture.pool().find(fixture.owner, ctx))).filter(
    ({ expires }) => expires === later,
  )
  expect(prolonged.map(({ kind }) => kind).toSorted()).toEqual(['disk', 'machine', 'network-interface'])
  for (const { id } of leases) await fixture.pool().release(id, ctx)
  expect(await gather(fixture.pool().find(fixture.owner, ctx))).toEqual([])
})

test('what EC2 does not show for a while is waited for, on the way up and on the way down', async () => {
  await using front = await aws.front({
    unknownFor: { snapshot: 0, image: 0, instance: 2 },
    polls: { snapshot: 0, image: 0, import: 0, instance: 2 },
  })
  await using fixture = await createAwsBuildersFixture(front.endpoint)
  const ctx = testContext()
  const lease = fixture.newLease()
  const ref = await fixture.pool().acquire(fixture.spec, lease, ctx)
  expect(await fixture.machines(lease)).toMatchObject([
    { InstanceId: ref.machine, State: { Name: 'running' } },
  ])
  expect(ctx.told).toContain(`waiting for ${ref.machine} to run in us-east-1`)
  await fixture.pool().release(lease.id, ctx)
  expect(await fixture.machines(lease)).toMatchObject([{ State: { Name: 'terminated' } }])
  expect(await gather(fixture.pool().find(fixture.owner, ctx))).toEqual([])
})

test('a lease that was killed after its request gets the machine of that request, with the base image of then', async () => {
  await using front = await aws.front()
  await using fixture = await createAwsBuildersFixture(front.endpoint)
  const ctx = testContext()
  const lease = fixture.newLease()
  const newest = { owner: baseImages.owner, name: baseImages.namePattern.x86_64 }
  const settings = fixture.settings({ base: { x86_64: newest } })
  const { request } = await freezeRequest(settings, fixture.spec, lease, 'us-east-1', ctx)
  expect(request.imageId).toBe(baseImages.x86_64.id)
  const changed = {
    base: { x86_64: { ami: baseImages.x86_64.older } },
    instanceTypes: { x86_64: ['c5.large'] },
  }
  await fixture.pool(changed).acquire(fixture.spec, lease, ctx)
  expect(await fixture.machines(lease)).toMatchObject([
    { ImageId: baseImages.x86_64.id, InstanceType: 'm5.large' },
  ])
  await fixture.pool().release(lease.id, ctx)
})

test('a machine that has ended keeps its token, so the lease asks with another one', async () => {
  await using front = await aws.front()
  await using fixture = await createAwsBuildersFixture(front.endpoint)
  const ctx = testContext()
  const lease = fixture.newLease()
  const first = await fixture.pool().acquire(fixture.spec, lease, ctx)
  await fixture.pool().release(lease.id, ctx)
  const second = await fixture.pool().acquire(fixture.spec, lease, ctx)
  expect(second.machine).not.toBe(first.machine)
  const ids = (await fixture.machines(lease)).map(({ ClientToken }) => ClientToken)
  expect(ids.toSorted()).toEqual([`factory-${lease.id}.0`, `factory-${lease.id}.0.1`])
  await fixture.pool().release(lease.id, ctx)
})
