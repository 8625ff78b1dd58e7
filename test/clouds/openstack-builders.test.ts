import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import type { BuilderPool, Image, Lease } from '#clouds/types.ts'
import { gather, newLease } from '#test/contract/cloud.ts'
import { powerOff } from '#test/servers/openstack-double/servers.ts'
import { impatient, openstackScene } from './openstack-scene.ts'

const scene = openstackScene()
const lease = (arch: Lease['arch'] = 'x86_64') => newLease(scene.fixture.owner, arch)
const pool = async (change: object = {}): Promise<BuilderPool> => (await scene.fixture.open(change)).builders!
const servers = () => [...scene.double.world.servers.values()]
const volumes = () => [...scene.double.world.volumes.values()]
const addresses = () => [...scene.double.world.addresses.values()]

test('asks for a server with a config drive, its data on a volume of its own, and marks on all of it', async () => {
  const { fixture } = scene
  const own = lease()
  const builders = await pool()
  const ref = await builders.acquire(fixture.spec, own, impatient())
  const [server] = servers()
  const [volume] = volumes()
  expect(servers()).toHaveLength(1)
  expect(server).toMatchObject({
    name: `factory-${own.id}`,
    status: 'ACTIVE',
    configDrive: true,
    imageId: fixture.baseImage,
    securityGroups: ['ssh'],
    volumes: [{ id: volume!.id, isDeletedToo: true }],
  })
  const marks = {
    'factory:owner': own.owner,
    'factory:release': 'test',
    'factory:arch': 'x86_64',
    'factory:lease': own.id,
    'factory:expires': own.expires,
  }
  expect(server!.metadata).toEqual(marks)
  expect(volumes()).toHaveLength(1)
  expect(volume).toMatchObject({
    name: `factory-${own.id}-data`,
    sizeGib: 20,
    metadata: marks,
    status: 'in-use',
  })
  const userData = parse(server!.userData) as { ssh_keys: object; users: { name: string }[] }
  expect(userData.ssh_keys).toMatchObject({ ed25519_public: fixture.spec.access.hostPublicKey })
  expect(userData.users).toMatchObject([{ name: 'fedora' }])
  const [port] = scene.double.world.ports.values()
  expect(ref).toEqual({
    leaseId: own.id,
    arch: 'x86_64',
    machine: server!.id,
    address: { host: port!.address, port: 22 },
    user: 'fedora',
    hostPublicKey: fixture.spec.access.hostPublicKey,
    hostKeyExposed: true,
    dataDisk: volume!.id.slice(0, 20),
  })
  await builders.release(own.id, impatient())
  expect([...servers(), ...volumes()]).toEqual([])
})

test('gives a machine a floating IP where one is configured, and gives it back', async () => {
  const builders = await pool({ floatingNetwork: 'public', networks: ['storage', 'builders'] })
  const own = lease()
  const ref = await builders.acquire(scene.fixture.spec, own, impatient())
  const [address] = addresses()
  expect(addresses()).toHaveLength(1)
  expect(ref.address).toEqual({ host: address!.address, port: 22 })
  const storage = scene.double.world.networks.find(({ name }) => name === 'storage')!
  const port = scene.double.world.ports.get(address!.portId!)
  expect(port).toMatchObject({ networkId: storage.id, serverId: ref.machine })
  expect(await builders.acquire(scene.fixture.spec, own, impatient())).toEqual(ref)
  const found = await gather(builders.find(own.owner, impatient()))
  expect(found.map(({ kind }) => kind).toSorted()).toEqual(['address', 'disk', 'machine'])
  const later = new Date(Date.now() + 7_200_000).toISOString()
  await builders.prolong(own.id, later, impatient())
  for (const each of await gather(builders.find(own.owner, impatient()))) {
    expect(each).toMatchObject({ leaseId: own.id, owner: own.owner, release: 'test', expires: later })
  }
  await builders.prolong(own.id, own.expires, impatient())
  expect(servers()[0]!.metadata['factory:expires'], 'a later end stays').toBe(later)
  await builders.release(own.id, impatient())
  expect([...servers(), ...volumes(), ...addresses()]).toEqual([])
})

test('reaches a machine in the first of its networks, also where they are named by their ids', async () => {
  const { networks, ports } = scene.double.world
  const idOf = (name: string) => networks.find((each) => each.name === name)!.id
  const builders = await pool({ networks: [idOf('storage'), idOf('builders')] })
  const own = lease()
  const { address } = await builders.acquire(scene.fixture.spec, own, impatient())
  const port = [...ports.values()].find(({ networkId }) => networkId === idOf('storage'))
  expect(address).toEqual({ host: port!.address, port: 22 })
  await builders.release(own.id, impatient())
})

test('starts from a volume where flavors have no disk', async () => {
  const builders = await pool({ flavors: { x86_64: ['d1.volume'] }, rootVolume: '30 GiB' })
  const own = lease()
  const ref = await builders.acquire(scene.fixture.spec, own, impatient())
  expect(servers()[0]!.imageId).toBeUndefined()
  const root = volumes().find(({ name }) => name.endsWith('-root'))
  const data = volumes().find(({ name }) => name.endsWith('-data'))
  expect(root).toMatchObject({ sizeGib: 30, imageId: scene.fixture.baseImage, status: 'in-use' })
  expect(ref.dataDisk).toBe(data!.id.slice(0, 20))
  await builders.release(own.id, impatient())
  expect([...servers(), ...volumes()]).toEqual([])
})

test('puts the data onto the root disk where that is large enough, and rents nothing where it is not', async () => {
  const { spec } = scene.fixture
  const own = lease()
  const builders = await pool({ dataDisk: 'root' })
  const ref = await builders.acquire(spec, own, impatient())
  expect(ref.dataDisk).toBeUndefined()
  expect(volumes()).toEqual([])
  await builders.release(own.id, impatient())
  const small = await pool({ dataDisk: 'root', flavors: { x86_64: ['m1.tiny'] } })
  await expect(small.acquire(spec, lease(), impatient())).rejects.toMatchObject({
    code: 'openstack-flavor',
    class: 'user',
    message: expect.stringContaining('m1.tiny has 1') as string,
  })
  expect(servers()).toEqual([])
})

test('goes on to the next zone and flavor when Nova finds no host, and leaves nothing of the first', async () => {
  scene.double.settings.noHost = [{ zone: 'nova' }, { flavor: 'm1.large' }]
  const builders = await pool({ zones: ['nova', 'power'], flavors: { x86_64: ['m1.large', 'm1.xlarge'] } })
  const own = lease()
  const ref = await builders.acquire(scene.fixture.spec, own, impatient())
  expect(servers()).toMatchObject([{ id: ref.machine, zone: 'power', status: 'ACTIVE' }])
  const flavor = scene.double.world.flavors.find(({ name }) => name === 'm1.xlarge')!
  expect(servers()[0]!.flavor).toBe(flavor.id)
  expect(volumes()).toHaveLength(1)
  const asked = scene.double.requests.filter(({ method, path }) => method === 'POST' && path === '/servers')
  expect(asked).toHaveLength(4)
  await builders.release(own.id, impatient())
})

test('says that there is no room, so that the next cloud is asked', async () => {
  scene.double.settings.noHost = [{}]
  const builders = await pool({ zones: ['nova', 'power'] })
  const own = lease()
  await expect(builders.acquire(scene.fixture.spec, own, impatient())).rejects.toMatchObject({
    code: 'openstack-no-capacity',
    class: 'capacity',
    message: expect.stringContaining('No valid host was found') as string,
  })
  await builders.release(own.id, impatient())
  expect([...servers(), ...volumes()]).toEqual([])
})

const quotas = { instances: 10, cores: 40, ramMib: 200_000, volumes: 10, gigabytes: 1000, floatingips: 5 }

test.each([
  ['servers', { instances: 0 }, /Quota exceeded for instances/],
  ['processors', { cores: 3 }, /Quota exceeded for cores/],
  ['volumes', { volumes: 0 }, /VolumeLimitExceeded/],
  ['gigabytes', { gigabytes: 19 }, /VolumeSizeExceedsAvailableQuota/],
  ['floating IPs', { floatingips: 0 }, /OverQuota|Quota exceeded for resources/],
])('tells a used up quota of %s as such', async (_, change, message) => {
  scene.double.settings.quotas = { ...quotas, ...change }
  const builders = await pool({ floatingNetwork: 'public' })
  const own = lease()
  await expect(builders.acquire(scene.fixture.spec, own, impatient())).rejects.toMatchObject({
    code: 'openstack-quota',
    class: 'quota',
    message: expect.stringMatching(message) as string,
  })
  await builders.release(own.id, impatient())
  expect([...servers(), ...volumes(), ...addresses()]).toEqual([])
})

test('tells an external network without addresses as want of capacity', async () => {
  scene.double.settings.freeAddresses = 0
  const own = lease()
  const builders = await pool({ floatingNetwork: 'public' })
  const refused = { code: 'openstack-no-capacity', class: 'capacity' }
  await expect(builders.acquire(scene.fixture.spec, own, impatient())).rejects.toMatchObject(refused)
  await builders.release(own.id, impatient())
  expect(servers()).toEqual([])
})

test('says why a machine ended, and makes another one for the same lease', async () => {
  scene.double.settings.serverFault = 'Build of instance aborted: the disk is on fire'
  const builders = await pool()
  const own = lease()
  await expect(builders.acquire(scene.fixture.spec, own, impatient())).rejects.toMatchObject({
    code: 'openstack-machine-ended',
    class: 'infra',
    message: expect.stringContaining('the disk is on fire') as string,
  })
  expect(servers()).toMatchObject([{ status: 'ERROR' }])
  scene.double.settings.serverFault = undefined
  const ref = await builders.acquire(scene.fixture.spec, own, impatient())
  expect(servers()).toMatchObject([{ id: ref.machine, status: 'ACTIVE' }])
  expect(volumes()).toHaveLength(1)
  await builders.release(own.id, impatient())
})

test('tells a volume that never becomes available, and makes another one at the next try', async () => {
  scene.double.settings.isVolumeBroken = true
  const builders = await pool()
  const own = lease()
  const failure = { code: 'openstack-volume-failed', class: 'infra' }
  await expect(builders.acquire(scene.fixture.spec, own, impatient())).rejects.toMatchObject(failure)
  scene.double.settings.isVolumeBroken = false
  await builders.acquire(scene.fixture.spec, own, impatient())
  expect(volumes().filter(({ status }) => status === 'in-use')).toHaveLength(1)
  await builders.release(own.id, impatient())
  expect(volumes()).toEqual([])
})

test('asks for no second machine while the first that it asked for does not show yet', async () => {
  const { fixture, double } = scene
  const change = { dataDisk: 'root' }
  const own = lease()
  const { machine } = await (await pool(change)).acquire(fixture.spec, own, impatient())
  const file = join(fixture.stateDirectory, 'clouds', 'test', 'leases', own.id)
  const { request } = JSON.parse(await readFile(file, 'utf8')) as { request: object }
  await writeFile(file, JSON.stringify({ request, outcome: 'asked' }))
  const isNotShown = { kind: 'changed', change: () => ({ servers: [] }) } as const
  double.inject({ service: 'compute', path: /^\/servers\/detail$/, times: 2, effect: isNotShown })
  const ref = await (await pool(change)).acquire(fixture.spec, own, impatient())
  expect(ref.machine).toBe(machine)
  expect(servers()).toHaveLength(1)
  await (await pool()).release(own.id, impatient())
})

test('does not ask again for what a proxy has waited for in vain: it may still be made', async () => {
  const late = { kind: 'refused', isDone: false, status: 504 } as const
  const fault = scene.double.inject({ service: 'compute', method: 'POST', path: /^\/servers$/, effect: late })
  const builders = await pool()
  const own = lease()
  await expect(builders.acquire(scene.fixture.spec, own, impatient())).rejects.toMatchObject({
    code: 'openstack-failed',
  })
  expect(fault.count).toBe(1)
  fault.remove()
  await builders.release(own.id, impatient())
})

test('gives a machine back for good where the cloud keeps what was removed', async () => {
  scene.double.settings.isKept = true
  const builders = await pool({ floatingNetwork: 'public' })
  const own = lease()
  await builders.acquire(scene.fixture.spec, own, impatient())
  await builders.release(own.id, impatient())
  expect([...servers(), ...volumes(), ...addresses()]).toEqual([])
})

test('says which volume Cinder cannot remove', async () => {
  const builders = await pool()
  const own = lease()
  await builders.acquire(scene.fixture.spec, own, impatient())
  for (const server of servers()) for (const volume of server.volumes) volume.isDeletedToo = false
  scene.double.settings.isVolumeStuck = true
  await expect(builders.release(own.id, impatient())).rejects.toMatchObject({
    code: 'openstack-volume-failed',
    message: expect.stringContaining(volumes()[0]!.id) as string,
  })
})

test('says that a lease is gone that is given back while it is prolonged', async () => {
  const builders = await pool({ floatingNetwork: 'public' })
  const own = lease()
  await builders.acquire(scene.fixture.spec, own, impatient())
  const gone = { kind: 'refused', isDone: false, status: 404, json: {} } as const
  scene.double.inject({ service: 'network', method: 'PUT', effect: gone })
  const later = new Date(Date.now() + 7_200_000).toISOString()
  await expect(builders.prolong(own.id, later, impatient())).rejects.toMatchObject({ code: 'lease-gone' })
  await builders.release(own.id, impatient())
})

test('leaves a machine that ended itself to the reaper', async () => {
  const builders = await pool()
  const own = lease()
  const { machine } = await builders.acquire(scene.fixture.spec, own, impatient())
  powerOff(scene.double.world, machine)
  const later = new Date(Date.now() + 7_200_000).toISOString()
  await expect(builders.prolong(own.id, later, impatient())).rejects.toMatchObject({ code: 'lease-gone' })
  const found = await gather((await pool()).find(own.owner, impatient()))
  expect(found).toContainEqual(
    expect.objectContaining({ kind: 'machine', id: machine, state: 'SHUTOFF', expires: own.expires }),
  )
  await (await pool()).release(own.id, impatient())
  expect([...servers(), ...volumes()]).toEqual([])
})

test('boots a published image to verify it, as root and without a data disk', async () => {
  const { fixture } = scene
  const image: Image = {
    cloud: 'test',
    kind: 'openstack',
    region: 'RegionOne',
    arch: 'x86_64',
    id: fixture.baseImage,
    name: 'published',
    format: 'raw',
    sha256: 'a'.repeat(64),
    sizeBytes: 10 * 1024 ** 3,
    release: 'test',
  }
  const builders = await pool({ base: {} })
  expect(builders.offers('x86_64').ok).toBe(false)
  expect(builders.offers('x86_64', 'RegionOne').ok).toBe(true)
  expect(builders.offers('x86_64', 'RegionTwo').ok).toBe(false)
  expect(builders.offers('s390x', 'RegionOne').ok).toBe(false)
  const own = lease()
  const spec = { ...fixture.spec, purpose: 'verify', dataBytes: 0, image } as const
  const ref = await builders.acquire(spec, own, impatient())
  expect(ref).toMatchObject({ user: 'root' })
  expect(ref.dataDisk).toBeUndefined()
  expect(servers()).toMatchObject([{ imageId: fixture.baseImage, volumes: [] }])
  await builders.release(own.id, impatient())
})

test('finds its own among the machines of others, on every page, and leaves those alone', async () => {
  const { fixture, double } = scene
  const builders = await pool()
  const own = lease()
  const { machine } = await builders.acquire(fixture.spec, own, impatient())
  const mine = double.world.servers.get(machine)!
  const volume = volumes()[0]!
  double.world.servers.clear()
  const foreign = (index: number, metadata: Record<string, string>) => {
    const id = `0000000${index}-0000-4000-8000-000000000000`
    double.world.servers.set(id, { ...mine, id, metadata, volumes: [] })
    double.world.volumes.set(id, { ...volume, id, metadata, status: 'available' })
  }
  foreign(1, {})
  foreign(2, { 'factory:owner': 'somebody-else', 'factory:lease': own.id })
  foreign(3, { 'factory:owner': own.owner })
  foreign(4, {})
  double.world.servers.set(machine, mine)
  const found = await gather(builders.find(own.owner, impatient()))
  expect(found.map(({ id }) => id).toSorted()).toEqual([machine, volume.id].toSorted())
  const ref = await (await pool()).acquire(fixture.spec, own, impatient())
  expect(ref.machine).toBe(machine)
  await builders.release(own.id, impatient())
  expect(servers()).toHaveLength(4)
  expect(volumes()).toHaveLength(4)
})

test('finds nothing where a cloud is there for images alone and has no machines', async () => {
  // The catalogue has none of these services for those inside.
  const change = { interface: 'internal', flavors: {}, base: {} }
  const imagesOnly = await pool(change)
  expect(await gather(imagesOnly.find(scene.fixture.owner, impatient()))).toEqual([])
  const others = await pool({ interface: 'internal' })
  await expect(gather(others.find(scene.fixture.owner, impatient()))).rejects.toMatchObject({
    code: 'openstack-no-service',
  })
})

test('keeps the first of two machines of a lease', async () => {
  const { double, fixture } = scene
  const builders = await pool()
  const own = lease()
  const { machine } = await builders.acquire(fixture.spec, own, impatient())
  const id = '00000000-0000-4000-8000-000000000000'
  const created = new Date(Date.now() + 60_000).toISOString()
  double.world.servers.set(id, { ...double.world.servers.get(machine)!, id, created, volumes: [] })
  const ref = await (await pool()).acquire(fixture.spec, own, impatient())
  expect(ref.machine).toBe(machine)
  expect(servers().map((each) => each.id)).toEqual([machine])
  await builders.release(own.id, impatient())
})

test('shows the end of the console without what could harm a terminal', async () => {
  const builders = await pool()
  const own = lease()
  expect(await builders.console!(own.id, impatient())).toBeUndefined()
  await builders.acquire(scene.fixture.spec, own, impatient())
  scene.double.settings.console = 'booting\r\n\u001b[31mKernel panic\u001b[0m\u0007\n'
  expect(await builders.console!(own.id, impatient())).toBe('booting\nKernel panic')
  await builders.release(own.id, impatient())
})

test('counts machine, volume and address where there are prices, and nothing where there are none', async () => {
  const prices = {
    currency: 'EUR',
    machineHour: { 'm1.large': 0.2 },
    volumeGibMonth: 0.073,
    addressHour: 0.005,
  }
  expect((await pool()).rates).toBeUndefined()
  const builders = await pool({ prices, floatingNetwork: 'public' })
  expect(builders.rates!('x86_64')).toEqual([{ what: 'm1.large', price: { amount: 0.2, currency: 'EUR' } }])
  const own = lease()
  const { rates } = await builders.acquire(scene.fixture.spec, own, impatient())
  expect(rates).toMatchObject([
    { what: 'm1.large', price: { amount: 0.2 } },
    { what: 'a volume of 20 GiB', price: { amount: expect.closeTo(0.002, 6) as number } },
    { what: 'a floating IP', price: { amount: 0.005 } },
  ])
  await builders.release(own.id, impatient())
})

test.each([
  ['a base image that is not there', { base: { x86_64: { image: 'nothing' } } }, 'openstack-base-missing'],
  ['a flavor that is not there', { flavors: { x86_64: ['huge'] } }, 'openstack-flavor'],
  ['a network that is not there', { networks: ['nowhere'] }, 'openstack-network'],
  ['no network where there are several', { networks: [] }, 'openstack-network'],
  ['a zone that is not there', { zones: ['mars'] }, 'openstack-refused'],
  ['a security group that is not there', { securityGroups: ['none'] }, 'openstack-refused'],
  ['a region that is not there', { region: 'Nowhere' }, 'openstack-no-service'],
])('refuses %s by its name', async (_, change, code) => {
  const own = lease()
  const builders = await pool(change)
  await expect(builders.acquire(scene.fixture.spec, own, impatient())).rejects.toMatchObject({
    code,
    class: 'user',
    message: expect.stringMatching(/nothing|huge|nowhere|2 networks|zone|none|Nowhere/) as string,
  })
  expect(servers()).toEqual([])
  if (code !== 'openstack-no-service') await builders.release(own.id, impatient())
})

test('knows how large the disk in a small qcow2 is', async () => {
  const { fixture } = scene
  const path = join(fixture.directory, 'large.qcow2')
  await execa('qemu-img', ['create', '-f', 'qcow2', path, '90G'])
  const json = { name: `large-${fixture.owner}`, disk_format: 'qcow2', container_format: 'bare' }
  const { id } = await fixture.glance('/images', { json })
  const body = await readFile(path)
  await fixture.glance(`/images/${String(id)}/file`, { method: 'PUT', body })
  const builders = await pool({ base: { x86_64: { image: String(id) } } })
  await expect(builders.acquire(fixture.spec, lease(), impatient())).rejects.toMatchObject({
    code: 'openstack-flavor',
    message: expect.stringContaining('90 GiB') as string,
  })
  expect(servers()).toEqual([])
})

test('refuses a base image for another architecture', async () => {
  const { fixture } = scene
  const flavors = { ppc64le: ['m1.large'] }
  const builders = await pool({ base: { ppc64le: { image: fixture.baseImage } }, flavors })
  const spec = { ...fixture.spec, arch: 'ppc64le' } as const
  await expect(builders.acquire(spec, lease('ppc64le'), impatient())).rejects.toMatchObject({
    code: 'openstack-base-architecture',
  })
})
