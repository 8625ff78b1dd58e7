import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { openstackScene } from '#test/clouds/openstack-scene.ts'
import { password } from './openstack/stack.ts'
import { tokenOf } from './openstack/keystone.ts'

const scene = openstackScene()
let token = ''
beforeAll(async () => {
  token = await tokenOf(scene.stack.keystone.url, 'factory', password, 'factory')
})

const versions: Record<string, string> = { compute: 'compute 2.60', volume: 'volume 3.50' }

/** One call as a client would make it; `change` goes over the headers that it needs. */
async function call(
  service: 'compute' | 'volume' | 'network',
  path: string,
  json?: unknown,
  change: Record<string, string> = {},
) {
  const root = scene.double.authUrl.replace('/identity/v3', '')
  const places = {
    compute: '/compute/v2.1',
    volume: `/volume/v3/${scene.stack.projectId}`,
    network: '/network/v2.0',
  }
  const version = versions[service]
  const answer = await fetch(`${root}${places[service]}${path}`, {
    method: json === undefined ? 'GET' : 'POST',
    headers: {
      'x-auth-token': token,
      ...(version === undefined ? {} : { 'openstack-api-version': version }),
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...change,
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  })
  const text = await answer.text()
  return { status: answer.status, text }
}

function server(change: object = {}): object {
  const { double, fixture } = scene
  const imageRef = fixture.baseImage
  const boot = {
    source_type: 'image',
    destination_type: 'local',
    uuid: imageRef,
    boot_index: 0,
    delete_on_termination: true,
  }
  const flavorRef = double.world.flavors[1]!.id
  const networks = [{ uuid: double.world.networks[0]!.id }]
  return { server: { name: 'x', imageRef, flavorRef, networks, block_device_mapping_v2: [boot], ...change } }
}

test('knows nobody without a token of the real Keystone', async () => {
  expect(await call('compute', '/servers/detail', undefined, { 'x-auth-token': 'made-up' })).toMatchObject({
    status: 401,
  })
  expect(await call('network', '/networks', undefined, { 'x-auth-token': '' })).toMatchObject({ status: 401 })
  expect(await call('compute', '/servers/detail')).toMatchObject({ status: 200 })
})

test('wants microversions to be pinned, and has not all of them', async () => {
  for (const version of ['', 'compute latest', '2.60', 'volume 3.50']) {
    expect(
      await call('compute', '/servers/detail', undefined, { 'openstack-api-version': version }),
    ).toMatchObject({ status: 400 })
  }
  expect(
    await call('compute', '/limits', undefined, { 'openstack-api-version': 'compute 2.97' }),
  ).toMatchObject({ status: 406 })
})

test('refuses query parameters that a service would only ignore, and pages that are none', async () => {
  for (const query of ['all_tenants=1', 'metadata=x', 'limit=0', 'limit=x', `marker=${randomUUID()}`]) {
    expect(await call('compute', `/servers/detail?${query}`), query).toMatchObject({ status: 400 })
  }
  expect(await call('network', '/floatingips?description=x')).toMatchObject({ status: 400 })
})

test.each([
  ['without networks', { networks: undefined }],
  ['with a network by its name', { networks: [{ uuid: 'builders' }] }],
  ['with a network that is not there', { networks: [{ uuid: randomUUID() }] }],
  ['with an empty name', { name: '' }],
  ['with white space around its name', { name: ' x' }],
  ['with user-data that is no base64', { user_data: '#cloud-config' }],
  ['with too much user-data', { user_data: Buffer.alloc(50_000).toString('base64') }],
  ['with metadata that is too long', { metadata: { key: 'v'.repeat(256) } }],
  ['with a flavor by its name', { flavorRef: 'm1.large' }],
  ['with an image that is not there', { imageRef: randomUUID() }],
  ['with disks and none to start from', { block_device_mapping_v2: [], imageRef: '' }],
  ['with a zone that is not there', { availability_zone: 'mars' }],
  ['with something unknown', { keypair: 'x' }],
])('refuses a server %s', async (_, change) => {
  expect(await call('compute', '/servers', server(change))).toMatchObject({ status: 400 })
  expect(scene.double.world.servers.size).toBe(0)
})

test('builds for a while, and shows its addresses only then', async () => {
  const made = await call('compute', '/servers', server())
  expect(made.status).toBe(202)
  const { id } = (JSON.parse(made.text) as { server: { id: string } }).server
  const look = async () =>
    JSON.parse((await call('compute', `/servers/${id}`)).text) as {
      server: { status: string; addresses: object }
    }
  const seen = [await look(), await look(), await look()].map((each) => each.server)
  expect(seen.map(({ status }) => status)).toEqual(['BUILD', 'BUILD', 'ACTIVE'])
  expect(seen.map(({ addresses }) => Object.keys(addresses))).toEqual([[], [], ['builders']])
})

test('lets nobody have a volume that is in use, or too small for its image, or of no type', async () => {
  const volume = (change: object) => ({ volume: { name: 'v', size: 1, ...change } })
  expect(await call('volume', '/volumes', volume({ size: 0 }))).toMatchObject({ status: 400 })
  expect(await call('volume', '/volumes', volume({ volume_type: 'none' }))).toMatchObject({ status: 404 })
  expect(await call('volume', '/volumes', volume({ colour: 'red' }))).toMatchObject({ status: 400 })
  const made = await call('volume', '/volumes', volume({}))
  const { id } = (JSON.parse(made.text) as { volume: { id: string } }).volume
  const data = {
    source_type: 'volume',
    destination_type: 'volume',
    uuid: id,
    boot_index: -1,
    delete_on_termination: true,
  }
  const { server: plain } = server() as { server: { block_device_mapping_v2: object[] } }
  const both = { block_device_mapping_v2: [...plain.block_device_mapping_v2, data] }
  const early = await call('compute', '/servers', server(both))
  expect(early).toMatchObject({ status: 400, text: expect.stringContaining("but is 'creating'") as string })
  for (const _ of [1, 2]) await call('volume', `/volumes/${id}`)
  expect(await call('compute', '/servers', server(both))).toMatchObject({ status: 202 })
  expect(await call('compute', '/servers', server(both))).toMatchObject({ status: 400 })
})

test('gives floating IPs from external networks only, one a port, with descriptions that are not too long', async () => {
  const { networks } = scene.double.world
  const ask = (floatingip: object) => call('network', '/floatingips', { floatingip })
  const external = networks.find(({ isExternal }) => isExternal)!.id
  expect(await ask({ floating_network_id: networks[0]!.id })).toMatchObject({ status: 400 })
  expect(await ask({ floating_network_id: external, description: 'd'.repeat(256) })).toMatchObject({
    status: 400,
  })
  expect(await ask({ floating_network_id: external, port_id: randomUUID() })).toMatchObject({ status: 404 })
  await call('compute', '/servers', server())
  const [port_id] = scene.double.world.ports.keys()
  expect(await ask({ floating_network_id: external, port_id })).toMatchObject({ status: 201 })
  expect(await ask({ floating_network_id: external, port_id })).toMatchObject({ status: 409 })
})
