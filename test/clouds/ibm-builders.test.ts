import { describe, expect, test } from 'vitest'
import { serviceEnd } from '#clouds/ibm/end-of-service.ts'
import { offers } from '#clouds/ibm/builders/offers.ts'
import { marksOf } from '#clouds/ibm/marks.ts'
import { createBuilderPool } from '#clouds/ibm/builders/pool.ts'
import type { BuilderPool, Image, Lease } from '#clouds/types.ts'
import { gather } from '#test/contract/cloud.ts'
import { stalled } from '#test/servers/aws-front/effects.ts'
import { mainRegion, otherRegion } from './ibm-fixture.ts'
import { hasty, ibmForTests } from './ibm-tests.ts'

const ibm = ibmForTests()
const world = () => ibm.ibm.double.world
const pool = async (change?: object): Promise<BuilderPool> => (await ibm.ibm.open(change)).builders!

function asked(): Record<string, unknown>[] {
  return ibm.ibm.double.calls('CreateInstance').map(({ parameters }) => JSON.parse(parameters['body']!))
}

function expectNothingLeft(): void {
  const { instances, volumes, addresses } = world()
  expect([instances.size, volumes.size, addresses.size]).toEqual([0, 0, 0])
}

describe('renting', () => {
  test('a machine is what was asked for, and its volumes and its address go with it', async () => {
    const { spec } = ibm.ibm
    const lease = ibm.ibm.newLease()
    const rented = await (await pool()).acquire(spec, lease, hasty())
    const [instance] = [...world().instances.values()]
    const [address] = [...world().addresses.values()]
    const data = [...world().volumes.values()].find(({ capacity }) => capacity === 20)!
    expect(rented).toEqual({
      leaseId: lease.id,
      arch: 'x86_64',
      machine: instance!.id,
      address: { host: address!.address, port: 22 },
      user: 'vpcuser',
      hostPublicKey: spec.access.hostPublicKey,
      hostKeyExposed: true,
      dataDisk: data.attachment!.device.slice(0, 20),
      rates: [{ what: 'bx2-4x16' }, { what: 'volumes of 120 GB' }, { what: 'a floating IP' }],
    })
    const { id, owner, release, arch, expires } = lease
    const marks = { lease: id, owner, release, arch, expires }
    for (const thing of [instance!, address!, ...world().volumes.values()]) {
      const tags = [...world().tags.get(thing.crn)!.tags]
      expect(marksOf(tags)).toEqual(marks)
      expect(tags).toContain('team:copr')
      expect(thing.name).toMatch(/^[a-z][a-z0-9-]{0,62}$/)
    }
    expect(address!.target).toBe(instance!.interfaceId)
    const [request] = asked()
    expect(request).toMatchObject({
      zone: { name: `${mainRegion}-1` },
      metadata_service: { enabled: false },
      availability_policy: { host_failure: 'stop' },
      boot_volume_attachment: { delete_volume_on_instance_delete: true, volume: { capacity: 100 } },
      volume_attachments: [{ delete_volume_on_instance_delete: true }],
    })
    expect(request).not.toHaveProperty('keys')
    expect(instance!.request.userData).toMatch(/^#cloud-config\n/)
    expect(instance!.request.userData).toContain(spec.access.authorizedKey)
    await (await pool()).release(id, hasty())
    expectNothingLeft()
    expect([...world().tagNames].filter((name) => /^factory-(lease|expires|release)/.test(name))).toEqual([])
  })

  test('names fit whatever the lease is called', async () => {
    const lease: Lease = { ...ibm.ibm.newLease(), id: `l-${'x'.repeat(38)}` }
    await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    await (await pool()).release(lease.id, hasty())
    expectNothingLeft()
  })

  test('a private address needs no floating IP, and is reached from the jump host', async () => {
    const lease = ibm.ibm.newLease()
    const change = { address: 'private', jump: 'copr@bastion.example.com' }
    const rented = await (await pool(change)).acquire({ ...ibm.ibm.spec, dataBytes: 0 }, lease, hasty())
    const [instance] = [...world().instances.values()]
    expect(rented.address.host).toBe(instance!.privateAddress)
    expect(rented.address.proxyCommand).toContain(`${instance!.privateAddress}:22`)
    expect(rented).not.toHaveProperty('dataDisk')
    expect(world().addresses.size).toBe(0)
    expect(world().volumes.size).toBe(1)
    await (await pool(change)).release(lease.id, hasty())
  })

  test('a zone without capacity leads to the next one, and leaves nothing behind', async () => {
    ibm.ibm.double.settings.noCapacity = [{ zone: `${mainRegion}-1` }]
    const lease = ibm.ibm.newLease()
    const rented = await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    const [instance] = [...world().instances.values()]
    expect(instance).toMatchObject({ id: rented.machine, request: { zone: `${mainRegion}-2` } })
    expect(world().instances.size).toBe(1)
    expect(world().volumes.size).toBe(2)
    expect(new Set(asked().map(({ name }) => name)).size).toBe(1)
    await (await pool()).release(lease.id, hasty())
  })

  test('where no zone has capacity the next cloud is tried', async () => {
    ibm.ibm.double.settings.noCapacity = [{}]
    const lease = ibm.ibm.newLease()
    const change = { profiles: { x86_64: ['bx2-4x16', 'bx2-2x8'] } }
    await expect((await pool(change)).acquire(ibm.ibm.spec, lease, hasty())).rejects.toMatchObject({
      code: 'ibm-no-capacity',
      class: 'capacity',
    })
    expect(asked().map(({ profile, zone }) => [profile, zone])).toEqual(
      ['bx2-4x16', 'bx2-2x8'].flatMap((name) =>
        ['1', '2'].map((zone) => [{ name }, { name: `${mainRegion}-${zone}` }]),
      ),
    )
    expectNothingLeft()
  })

  test('a quota that is used up is said to be one, of machines and of addresses', async () => {
    const lease = ibm.ibm.newLease()
    const usedUp = { code: 'ibm-quota', class: 'quota' }
    ibm.ibm.double.settings.quotas.instances = 0
    await expect((await pool()).acquire(ibm.ibm.spec, lease, hasty())).rejects.toMatchObject(usedUp)
    ibm.ibm.double.settings.quotas.instances = 10
    ibm.ibm.double.settings.quotas.addresses = 0
    await expect((await pool()).acquire(ibm.ibm.spec, lease, hasty())).rejects.toMatchObject(usedUp)
    await (await pool()).release(lease.id, hasty())
    expectNothingLeft()
  })

  test('a machine that has powered itself off is replaced, under the same name', async () => {
    const lease = ibm.ibm.newLease()
    const first = await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    ibm.ibm.double.powerOff(first.machine)
    const second = await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    expect(second.machine).not.toBe(first.machine)
    expect([...world().instances.keys()]).toEqual([second.machine])
    // The address was its own already, and is bound to the new one.
    const [address, ...others] = [...world().addresses.values()]
    expect(others).toEqual([])
    expect(address!.target).toBe(world().instances.get(second.machine)!.interfaceId)
    await (await pool()).release(lease.id, hasty())
    expectNothingLeft()
  })

  test('volumes that outlived their machine make room for the next one', async () => {
    const lease = ibm.ibm.newLease()
    const first = await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    for (const volume of world().volumes.values()) volume.attachment = undefined
    world().instances.delete(first.machine)
    const second = await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    expect([...world().instances.keys()]).toEqual([second.machine])
    expect(world().volumes.size).toBe(2)
    await (await pool()).release(lease.id, hasty())
    expectNothingLeft()
  })

  test('an address that has failed is given back for another one', async () => {
    const lease = ibm.ibm.newLease()
    await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    const [broken] = [...world().addresses.values()]
    broken!.hasFailed = true
    const { address } = await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    const [now, ...others] = [...world().addresses.values()]
    expect(others).toEqual([])
    expect(now!.id).not.toBe(broken!.id)
    expect(address.host).toBe(now!.address)
    await (await pool()).release(lease.id, hasty())
    expectNothingLeft()
  })

  test('a machine that was asked for before a kill and finds no place leads to the next way, too', async () => {
    ibm.ibm.double.settings.noCapacity = [{ zone: `${mainRegion}-1` }]
    const lease = ibm.ibm.newLease()
    const fault = ibm.ibm.double.inject({ action: 'GetInstance', times: 1, effect: stalled() })
    const killed = new AbortController()
    const acquiring = (await pool()).acquire(ibm.ibm.spec, lease, { ...hasty(), signal: killed.signal })
    acquiring.catch(() => {})
    await fault.happened
    killed.abort(new Error('killed'))
    await expect(acquiring).rejects.toThrow('killed')
    fault.remove()
    const rented = await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    expect(world().instances.get(rented.machine)!.request.zone).toBe(`${mainRegion}-2`)
    expect(world().instances.size).toBe(1)
    await (await pool()).release(lease.id, hasty())
    expectNothingLeft()
  })

  test('an address that a machine in another zone had is given back for one in its own', async () => {
    const lease = ibm.ibm.newLease()
    const first = await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    ibm.ibm.double.powerOff(first.machine)
    ibm.ibm.double.settings.noCapacity = [{ zone: `${mainRegion}-1` }]
    const second = await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    const [address, ...others] = [...world().addresses.values()]
    expect(others).toEqual([])
    expect(address).toMatchObject({ zone: `${mainRegion}-2`, address: second.address.host })
    await (await pool()).release(lease.id, hasty())
    expectNothingLeft()
  })

  test('a lease asks for the same thing all its life, whatever becomes of the configuration', async () => {
    const lease = ibm.ibm.newLease()
    const first = await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    ibm.ibm.double.powerOff(first.machine)
    const change = { profiles: { x86_64: ['cx2-2x4'] }, base: { x86_64: { image: 'gone', user: 'other' } } }
    const second = await (await pool(change)).acquire(ibm.ibm.spec, lease, hasty())
    expect(second.user).toBe('vpcuser')
    expect(world().instances.get(second.machine)!.request.profile).toBe('bx2-4x16')
    await (await pool()).release(lease.id, hasty())
  })

  test('a published image is booted in its own region', async () => {
    const artifact = await ibm.ibm.newArtifact(8 * 1024 ** 2)
    const image: Image = await ibm.publish(artifact, otherRegion)
    const lease = ibm.ibm.newLease()
    const spec = { ...ibm.ibm.spec, purpose: 'verify', dataBytes: 0, image } as const
    const rented = await (await pool()).acquire(spec, lease, hasty())
    expect(rented.user).toBe('root')
    expect(world().instances.get(rented.machine)).toMatchObject({
      region: otherRegion,
      request: { image: image.id },
    })
    await (await pool()).release(lease.id, hasty())
    expectNothingLeft()
  })

  const mistakes: [string, object, string][] = [
    ['a base image that is not there', { base: { x86_64: { image: 'ibm-nothing' } } }, 'ibm-base-missing'],
    [
      'a base image for another architecture',
      { base: { x86_64: { image: 'ibm-redhat-8-s390x-1' } } },
      'ibm-base-architecture',
    ],
    ['a profile for another architecture', { profiles: { x86_64: ['bz2-4x16'] } }, 'ibm-profile'],
    ['a profile that is not there', { profiles: { x86_64: ['nx9-9x9'] } }, 'ibm-profile'],
    ['no subnets', { subnets: [] }, 'ibm-subnet-missing'],
    ['a resource group that is not there', { resourceGroup: 'nobody' }, 'ibm-resource-group'],
  ]
  test.each(mistakes)(
    'says before anything is rented that the configuration has %s',
    async (_what, change, code) => {
      const lease = ibm.ibm.newLease()
      await expect((await pool(change)).acquire(ibm.ibm.spec, lease, hasty())).rejects.toMatchObject({
        code,
        class: 'user',
      })
      expect(asked()).toEqual([])
    },
  )
})

describe('what is found', () => {
  test('is of every page, and what lost its machine is found, too, and given back', async () => {
    const leases = [ibm.ibm.newLease(), ibm.ibm.newLease()]
    for (const lease of leases) await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    const settings = ibm.ibm.settings()
    const mine = createBuilderPool(settings)
    const found = await gather(mine.find(ibm.ibm.owner, hasty()))
    expect(found.map(({ kind }) => kind).toSorted()).toEqual(
      ['address', 'disk', 'disk', 'machine'].flatMap((kind) => [kind, kind]).toSorted(),
    )
    expect(ibm.ibm.double.calls('ListVolumes').some(({ parameters }) => parameters['start'])).toBe(true)
    // Somebody has deleted the machine by hand: what came with it stays.
    const [first] = leases
    const machine = [...world().instances.values()].find(({ name }) => name.endsWith(first!.id))!
    for (const volume of world().volumes.values())
      if (volume.attachment?.instance === machine.id) volume.attachment = undefined
    world().instances.delete(machine.id)
    for (const lease of leases) await (await pool()).release(lease.id, hasty())
    expectNothingLeft()
  })

  test('a listing that fails does not hide the others', async () => {
    const lease = ibm.ibm.newLease()
    await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    ibm.ibm.double.settings.denied = ['ListVolumes']
    const found: string[] = []
    const look = async () => {
      for await (const { kind } of (await pool()).find(ibm.ibm.owner, hasty())) found.push(kind)
    }
    await expect(look()).rejects.toMatchObject({ code: 'ibm-permission', class: 'permission' })
    expect(found.toSorted()).toEqual(['address', 'machine'])
    ibm.ibm.double.settings.denied = []
    await (await pool()).release(lease.id, hasty())
  })

  test('what nobody has marked has an end all the same, so that reapers take it one day', async () => {
    const lease = ibm.ibm.newLease()
    await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
    for (const known of world().tags.values()) {
      known.tags.clear()
      known.shown.clear()
    }
    for (const { expires, leaseId } of await gather((await pool()).find(ibm.ibm.owner, hasty()))) {
      expect(leaseId).toBe(lease.id)
      expect(Date.parse(expires!)).toBeGreaterThan(Date.now() + 23 * 3_600_000)
    }
    await (await pool()).release(lease.id, hasty())
    expectNothingLeft()
  })
})

test('a prolonged lease leaves no end of earlier days in the list of tags', async () => {
  const lease = ibm.ibm.newLease()
  await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
  const ends = [2, 3, 4].map((hours) => new Date(Date.now() + hours * 3_600_000).toISOString())
  for (const end of ends) await (await pool()).prolong(lease.id, end, hasty())
  const known = [...world().tagNames].filter((name) => name.startsWith('factory-expires'))
  expect(marksOf(known)['expires']).toBe(ends.at(-1))
  expect(known).toHaveLength(1)
  await (await pool()).prolong(lease.id, ends[0]!, hasty())
  expect([...world().tagNames].filter((name) => name.startsWith('factory-expires'))).toEqual(known)
  await (await pool()).release(lease.id, hasty())
})

test('a machine that is taken up again keeps the end that it was prolonged to', async () => {
  const lease = ibm.ibm.newLease()
  await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
  const later = new Date(Date.now() + 9 * 3_600_000).toISOString()
  await (await pool()).prolong(lease.id, later, hasty())
  await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
  for (const { kind, expires } of await gather((await pool()).find(ibm.ibm.owner, hasty())))
    expect(expires, kind).toBe(later)
  await (await pool()).release(lease.id, hasty())
})

test('a heartbeat does not wait for what is being deleted', async () => {
  const lease = ibm.ibm.newLease()
  await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
  const [address] = [...world().addresses.values()]
  address!.deleting = 100
  world().tags.delete(address!.crn)
  const later = new Date(Date.now() + 9 * 3_600_000).toISOString()
  const ctx = { ...hasty(), signal: AbortSignal.timeout(10_000) }
  await (await pool()).prolong(lease.id, later, ctx)
  address!.deleting = 0
  await (await pool()).release(lease.id, hasty())
  expectNothingLeft()
})

test('a heartbeat counts when its end was taken, however long the service shows the one before', async () => {
  const lease = ibm.ibm.newLease()
  await (await pool()).acquire(ibm.ibm.spec, lease, hasty())
  ibm.ibm.double.settings.tagLag.read = 1_000_000
  let elapsedMs = 0
  const ctx = {
    ...hasty(),
    now: () => elapsedMs,
    sleep: async (ms: number) => void (elapsedMs += ms),
  }
  const later = new Date(Date.now() + 9 * 3_600_000).toISOString()
  await (await pool()).prolong(lease.id, later, ctx)
  // The engine gives a heartbeat a minute.
  expect(elapsedMs).toBeLessThan(60_000)
  const [machine] = [...world().instances.values()]
  expect(marksOf([...world().tags.get(machine!.crn)!.tags])['expires']).toBe(later)
  await (await pool()).release(lease.id, hasty())
})

describe('s390x', () => {
  const last = Date.UTC(2027, 1, 20)

  test('machines are offered until IBM ends them, and then a host of one’s own is named instead', () => {
    const settings = ibm.ibm.settings()
    expect(offers(settings, 's390x', undefined, last - 1)).toEqual({ ok: true })
    const over = offers(settings, 's390x', undefined, last)
    expect(over).toMatchObject({ ok: false })
    expect(over).toHaveProperty('reason', expect.stringContaining('20 February 2027'))
    expect(over).toHaveProperty('hint', expect.stringContaining('kind: libvirt'))
    expect(serviceEnd('x86_64', last)).toBeUndefined()
    expect(offers(settings, 'x86_64', undefined, last)).toEqual({ ok: true })
    expect(offers(settings, 'ppc64le')).toMatchObject({ ok: false })
  })

  test('are rented from a base of theirs', async () => {
    const lease = ibm.ibm.newLease('s390x')
    const spec = { ...ibm.ibm.spec, arch: 's390x' } as const
    const rented = await (await pool()).acquire(spec, lease, hasty())
    expect(world().instances.get(rented.machine)!.request.profile).toBe('bz2-4x16')
    await (await pool()).release(lease.id, hasty())
  })
})
