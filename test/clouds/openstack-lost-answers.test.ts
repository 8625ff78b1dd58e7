import { describe, expect, test } from 'vitest'
import { gather, imageKey, newLease } from '#test/contract/cloud.ts'
import type { Effect } from '#test/servers/openstack-double/faults.ts'
import type { Service } from '#test/servers/openstack-double/request.ts'
import { impatient, openstackScene } from './openstack-scene.ts'

const scene = openstackScene()

/** The ways in which nobody learns what became of a call. */
const ways: [string, Effect][] = [
  ['is done and cut off', { kind: 'cut', isDone: true }],
  ['is cut off and not done', { kind: 'cut', isDone: false }],
  ['is done and answered with 503', { kind: 'refused', isDone: true, status: 503 }],
  ['comes with a token that is no longer accepted', { kind: 'refused', isDone: false, status: 401 }],
]

describe.each(ways)('a call of machines that %s', (_, effect) => {
  const calls: [string, Service, string, RegExp][] = [
    ['making a server', 'compute', 'POST', /^\/servers$/],
    ['making a volume', 'volume', 'POST', /^\/volumes$/],
    ['making a floating IP', 'network', 'POST', /^\/floatingips$/],
    ['looking at servers', 'compute', 'GET', /^\/servers\//],
    ['looking at volumes', 'volume', 'GET', /^\/volumes\//],
  ]
  test.each(calls)('makes one machine all the same: %s', async (_name, service, method, path) => {
    const { fixture, double } = scene
    const { world } = double
    const fault = double.inject({ service, method, path, times: 1, effect })
    const lease = newLease(fixture.owner, 'x86_64')
    const { builders } = await fixture.open({ floatingNetwork: 'public' })
    const ref = await builders!.acquire(fixture.spec, lease, impatient())
    expect(fault.count).toBe(1)
    expect([...world.servers.keys()]).toEqual([ref.machine])
    expect([...world.volumes.values()]).toMatchObject([{ status: 'in-use', serverId: ref.machine }])
    expect([...world.addresses.values()]).toMatchObject([{ address: ref.address.host }])
    await builders!.release(lease.id, impatient())
  })

  const others: [string, Service, string, RegExp][] = [
    ['marking a server', 'compute', 'POST', /metadata$/],
    ['marking a volume', 'volume', 'POST', /metadata$/],
    ['marking a floating IP', 'network', 'PUT', /^\/floatingips\//],
    ['removing a server', 'compute', 'DELETE', /^\/servers\//],
    ['removing a volume', 'volume', 'DELETE', /^\/volumes\//],
    ['removing a floating IP', 'network', 'DELETE', /^\/floatingips\//],
  ]
  test.each(others)('is made up for: %s', async (_name, service, method, path) => {
    const { fixture, double } = scene
    const { servers, volumes, addresses } = double.world
    const lease = newLease(fixture.owner, 'x86_64')
    const { builders } = await fixture.open({ floatingNetwork: 'public' })
    await builders!.acquire(fixture.spec, lease, impatient())
    // Else the volume would go with its machine, and nobody would have to remove it.
    for (const server of servers.values()) for (const volume of server.volumes) volume.isDeletedToo = false
    const fault = double.inject({ service, method, path, times: 1, effect })
    const later = new Date(Date.now() + 7_200_000).toISOString()
    await builders!.prolong(lease.id, later, impatient())
    const found = await gather(builders!.find(lease.owner, impatient()))
    expect(found.map(({ kind, expires }) => [kind, expires])).toEqual([
      ['machine', later],
      ['disk', later],
      ['address', later],
    ])
    await builders!.release(lease.id, impatient())
    expect(fault.count).toBe(1)
    expect([servers.size, volumes.size, addresses.size]).toEqual([0, 0, 0])
  })
})

describe.each(ways)('a call of images that %s', (_, effect) => {
  const project = 'c'.repeat(32)
  const calls: [string, string, RegExp][] = [
    ['making the image', 'POST', /\/images$/],
    ['sending the content', 'PUT', /\/file$/],
    ['sharing it', 'POST', /\/members$/],
    ['changing it', 'PATCH', /\/images\//],
    ['looking at it', 'GET', /\/images\//],
    ['listing images', 'GET', /\/images$/],
  ]
  test.each(calls)('makes one image all the same: %s', async (name, method, path) => {
    const { fixture, double } = scene
    const artifact = await fixture.makeArtifact('small.raw', 4 * 1024 ** 2, [
      [4096, Buffer.from(`${name} ${_}`)],
    ])
    const cloud = await fixture.open({ visibility: 'shared', shareWith: [project] })
    const key = imageKey(cloud, fixture.owner, artifact, 'lost')
    const fault = double.inject({ service: 'image', method, path, times: 1, effect })
    const publish = async () => await cloud.images!.publish(artifact, key, impatient())
    // What was sent in part is not sent again by the same call: the engine calls once more.
    const image = await publish().catch(publish)
    expect(fault.count).toBe(1)
    const { images } = (await fixture.glance('/images?os_hidden=false')) as { images: { name: string }[] }
    const { images: hidden } = (await fixture.glance('/images?os_hidden=true')) as { images: object[] }
    expect(images.filter((each) => each.name === image.name)).toMatchObject([
      { id: image.id, status: 'active', visibility: 'shared' },
    ])
    expect(hidden).toEqual([])
    const { members } = (await fixture.glance(`/images/${image.id}/members`)) as { members: object[] }
    expect(members).toMatchObject([{ member_id: project }])
    const removing = double.inject({
      service: 'image',
      method: 'DELETE',
      path: /\/images\//,
      times: 1,
      effect,
    })
    await cloud.images!.remove(image, impatient())
    expect(removing.count).toBe(1)
    expect(await cloud.images!.find(key, impatient())).toBeUndefined()
  })
})
