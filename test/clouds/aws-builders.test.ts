import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CreateVolumeCommand,
  DescribeInstanceAttributeCommand,
  DescribeVolumesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { marksOf } from '#clouds/aws/tags.ts'
import { gather, testContext } from '#test/contract/shared.ts'
import { type Moto, startMoto } from '#test/servers/moto.ts'
import { baseImages } from '#test/servers/moto-tree.ts'
import {
  type AwsBuildersFixture,
  createAwsBuildersFixture,
  imageOf,
  mainRegion,
  otherRegion,
} from './aws-builders-fixture.ts'

let moto: Moto
let fixture: AwsBuildersFixture
beforeAll(async () => {
  moto = await startMoto()
  fixture = await createAwsBuildersFixture(moto.endpoint)
}, 300_000)
afterAll(async () => {
  await fixture?.[Symbol.asyncDispose]()
  await moto?.[Symbol.asyncDispose]()
})

describe('renting', () => {
  test('a machine is what was asked for: marked with its volume, gone when powered off, without rights', async () => {
    const { spec } = fixture
    const lease = fixture.newLease()
    const ref = await fixture.pool().acquire(spec, lease, testContext())
    const [machine, ...others] = await fixture.machines(lease)
    expect(others).toEqual([])
    expect(ref).toEqual({
      leaseId: lease.id,
      arch: 'x86_64',
      machine: machine!.InstanceId,
      address: { host: machine!.PublicIpAddress, port: 22 },
      user: 'admin',
      hostPublicKey: spec.access.hostPublicKey,
      hostKeyExposed: true,
      rates: [{ what: 'm5.large' }, { what: 'a volume of 35 GiB' }],
    })
    const { id, owner, release, arch, expires } = lease
    const marks = { lease: id, owner, release, arch, expires }
    expect(marksOf(machine!.Tags)).toEqual(marks)
    expect(machine!.Tags).toContainEqual({ Key: 'CostCenter', Value: '42' })
    expect(machine!.Tags).toContainEqual({ Key: 'Name', Value: `factory-${id}` })
    expect(machine).toMatchObject({ InstanceType: 'm5.large', ImageId: baseImages.x86_64.id })
    expect(machine!.KeyName).toBeUndefined()
    expect(machine!.IamInstanceProfile).toBeUndefined()

    const volumes = await fixture
      .ec2()
      .send(new DescribeVolumesCommand({ Filters: [{ Name: 'tag:factory:lease', Values: [id] }] }))
    expect(volumes.Volumes).toHaveLength(1)
    const [volume] = volumes.Volumes!
    // The image's own 15 GiB and 20 for the build.
    expect(volume).toMatchObject({ VolumeType: 'gp3', Size: 35 })
    expect(marksOf(volume!.Tags)).toEqual(marks)
    expect(machine!.BlockDeviceMappings?.[0]?.Ebs?.DeleteOnTermination).toBe(true)

    const attribute = async (Attribute: 'instanceInitiatedShutdownBehavior' | 'userData') =>
      await fixture
        .ec2()
        .send(new DescribeInstanceAttributeCommand({ InstanceId: machine!.InstanceId, Attribute }))
    const { InstanceInitiatedShutdownBehavior } = await attribute('instanceInitiatedShutdownBehavior')
    expect(InstanceInitiatedShutdownBehavior?.Value).toBe('terminate')
    const { UserData } = await attribute('userData')
    const seed = Buffer.from(UserData!.Value!, 'base64').toString()
    expect(seed).toMatch(/^#cloud-config\n/)
    expect(seed).toContain(spec.access.authorizedKey)
    expect(seed.length).toBeLessThan(16 * 1024)
    await fixture.pool().release(id, testContext())
  })

  test('asked again, also with its memory lost, the cloud hands out the same machine', async () => {
    const lease = fixture.newLease()
    const ctx = testContext()
    const first = await fixture.pool().acquire(fixture.spec, lease, ctx)
    expect(await fixture.pool().acquire(fixture.spec, lease, ctx)).toEqual(first)
    await rm(join(fixture.settings().stateDirectory, 'leases', lease.id))
    const rates = [{ what: 'm5.large' }, { what: 'a volume of unknown size' }]
    expect(await fixture.pool().acquire(fixture.spec, lease, ctx)).toEqual({ ...first, rates })
    expect(await fixture.machines(lease)).toHaveLength(1)
    await fixture.pool().release(lease.id, ctx)
  })

  test('a lease whose machine has ended gets another one', async () => {
    const lease = fixture.newLease()
    const ctx = testContext()
    const first = await fixture.pool().acquire(fixture.spec, lease, ctx)
    await fixture.ec2().send(new TerminateInstancesCommand({ InstanceIds: [first.machine] }))
    const second = await fixture.pool().acquire(fixture.spec, lease, ctx)
    expect(second.machine).not.toBe(first.machine)
    const states = (await fixture.machines(lease)).map(({ InstanceId, State }) => [InstanceId, State?.Name])
    expect(Object.fromEntries(states)).toEqual({ [first.machine]: 'terminated', [second.machine]: 'running' })
    await fixture.pool().release(lease.id, ctx)
  })

  test('an image is started in its own region, for root, with a root volume of its size', async () => {
    const lease = fixture.newLease()
    const ctx = testContext()
    const image = imageOf(baseImages.x86_64.older, otherRegion)
    const spec = { ...fixture.spec, purpose: 'verify', dataBytes: 0, image } as const
    const ref = await fixture.pool().acquire(spec, lease, ctx)
    expect(ref.user).toBe('root')
    const { Volumes } = await fixture.ec2(otherRegion).send(new DescribeVolumesCommand({}))
    expect(Volumes?.map(({ Size }) => Size)).toEqual([15])
    expect(await fixture.machines(lease)).toEqual([])
    expect(await fixture.machines(lease, otherRegion)).toMatchObject([
      { InstanceId: ref.machine, ImageId: image.id },
    ])
    const found = await gather(fixture.pool().find(fixture.owner, ctx))
    expect(found).toContainEqual(expect.objectContaining({ id: ref.machine, region: otherRegion }))
    await fixture.pool().release(lease.id, ctx)
    expect(await gather(fixture.pool().find(fixture.owner, ctx))).toEqual([])
  })

  test('what is asked for stays what it was when the lease was taken, whatever the configuration says now', async () => {
    const lease = fixture.newLease()
    const ctx = testContext()
    const impossible = { subnets: ['subnet-00000000'] }
    await expect(fixture.pool(impossible).acquire(fixture.spec, lease, ctx)).rejects.toMatchObject({
      code: 'aws-refused',
      class: 'user',
      message: expect.stringContaining('subnet-00000000'),
    })
    await expect(fixture.pool().acquire(fixture.spec, lease, ctx)).rejects.toThrow('subnet-00000000')
    await fixture.pool().release(lease.id, ctx)
    expect(await readdir(join(fixture.settings().stateDirectory, 'leases'))).not.toContain(lease.id)
  })
})

describe('finding', () => {
  test('every machine and volume of ours is found, on every page, and nothing of somebody else', async () => {
    const ctx = testContext()
    const leases = Array.from({ length: 7 }, () => fixture.newLease())
    for (const lease of leases) await fixture.pool().acquire(fixture.spec, lease, ctx)
    const stranger = { ...fixture.newLease(), owner: `${fixture.owner}x` }
    await fixture.pool({}, { owner: stranger.owner }).acquire(fixture.spec, stranger, ctx)

    const small = fixture.pool({}, { pageSize: 5 })
    const found = await gather(small.find(fixture.owner, ctx))
    const machines = found.filter(({ kind }) => kind === 'machine')
    expect(machines.map(({ leaseId }) => leaseId).toSorted()).toEqual(leases.map(({ id }) => id).toSorted())
    expect(found.filter(({ kind }) => kind === 'disk')).toHaveLength(7)
    for (const resource of found) {
      const lease = leases.find(({ id }) => id === resource.leaseId)!
      const { owner, release, arch, expires } = lease
      expect(resource).toMatchObject({ owner, release, arch, expires, region: mainRegion })
    }
    expect(await gather(small.find(`${fixture.owner.slice(0, -1)}*`, ctx))).toEqual([])
    for (const { id } of leases) await small.release(id, ctx)
    const left = await gather(small.find(stranger.owner, ctx))
    expect(left.filter(({ kind }) => kind === 'machine')).toMatchObject([{ leaseId: stranger.id }])
    await fixture.pool({}, { owner: stranger.owner }).release(stranger.id, ctx)
  })
})

describe('prolonging', () => {
  test('moves the end on machine and volume, and never back', async () => {
    const ctx = testContext()
    const lease = fixture.newLease()
    await fixture.pool().acquire(fixture.spec, lease, ctx)
    const ends = async () => {
      const found = await gather(fixture.pool().find(fixture.owner, ctx))
      return found.filter(({ leaseId }) => leaseId === lease.id).map(({ expires }) => expires)
    }
    const later = new Date(Date.now() + 5 * 3_600_000).toISOString()
    await fixture.pool().prolong(lease.id, later, ctx)
    expect(new Set(await ends())).toEqual(new Set([later]))
    await fixture.pool().prolong(lease.id, lease.expires, ctx)
    expect(new Set(await ends())).toEqual(new Set([later]))
    await fixture.pool().release(lease.id, ctx)
  })

  test('a machine that has ended takes its lease with it', async () => {
    const ctx = testContext()
    const lease = fixture.newLease()
    const { machine } = await fixture.pool().acquire(fixture.spec, lease, ctx)
    await fixture.ec2().send(new TerminateInstancesCommand({ InstanceIds: [machine] }))
    await expect(fixture.pool().prolong(lease.id, lease.expires, ctx)).rejects.toMatchObject({
      code: 'lease-gone',
      class: 'infra',
    })
    await fixture.pool().release(lease.id, ctx)
  })
})

describe('giving back', () => {
  test('ends the machine and removes what it left, of this lease only', async () => {
    const ctx = testContext()
    const [lease, other] = [fixture.newLease(), fixture.newLease()]
    await fixture.pool().acquire(fixture.spec, lease, ctx)
    await fixture.pool().acquire(fixture.spec, other, ctx)
    const Tags = [
      { Key: 'factory:owner', Value: fixture.owner },
      { Key: 'factory:lease', Value: lease.id },
    ]
    const left = await fixture.ec2().send(
      new CreateVolumeCommand({
        AvailabilityZone: `${mainRegion}a`,
        Size: 1,
        TagSpecifications: [{ ResourceType: 'volume', Tags }],
      }),
    )
    await fixture.pool().release(lease.id, ctx)
    const found = await gather(fixture.pool().find(fixture.owner, ctx))
    expect(new Set(found.map(({ leaseId }) => leaseId))).toEqual(new Set([other.id]))
    expect(found.map(({ id }) => id)).not.toContain(left.VolumeId)
    expect((await fixture.machines(lease)).map(({ State }) => State?.Name)).toEqual(['terminated'])
    await fixture.pool().release(lease.id, ctx)
    await fixture.pool().release(other.id, ctx)
  })

  test('finds a machine in another region without any memory of it', async () => {
    const ctx = testContext()
    const lease = fixture.newLease()
    const elsewhere = { region: otherRegion, copyTo: [] }
    const { machine } = await fixture.pool(elsewhere).acquire(fixture.spec, lease, ctx)
    await rm(join(fixture.settings().stateDirectory, 'leases', lease.id))
    await fixture.pool().prolong(lease.id, new Date(Date.now() + 7_200_000).toISOString(), ctx)
    await fixture.pool().release(lease.id, ctx)
    expect(await fixture.machines(lease, otherRegion)).toMatchObject([
      { InstanceId: machine, State: { Name: 'terminated' } },
    ])
  })

  test('tells the last words of the machine, without its control characters, also after its end', async () => {
    const ctx = testContext()
    const lease = fixture.newLease()
    const { machine } = await fixture.pool().acquire(fixture.spec, lease, ctx)
    expect(await fixture.pool().console!(lease.id, ctx)).toMatch(
      /^Linux version 2\.6\.16-xenU .*root=\/dev\/sda1/s,
    )
    await fixture.ec2().send(new TerminateInstancesCommand({ InstanceIds: [machine] }))
    expect(await fixture.pool().console!(lease.id, ctx)).toContain('Linux version')
    expect(await fixture.pool().console!('t-never-rented', ctx)).toBeUndefined()
    await fixture.pool().release(lease.id, ctx)
  })
})
