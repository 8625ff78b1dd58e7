import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { gather, imageKey, testContext } from '#test/contract/cloud.ts'
import { openstackScene } from './openstack-scene.ts'

const MiB = 1024 ** 2
const scene = openstackScene({ imageQuotaMib: 8, importMethods: [] })

test('tells a quota of images that Glance keeps to only while it takes them, and leaves nothing', async () => {
  const { fixture } = scene
  const artifact = await fixture.makeArtifact('large.raw', 32 * MiB, [[MiB, randomBytes(5000)]])
  const cloud = await fixture.open()
  const key = imageKey(cloud, fixture.owner, artifact, 'large')
  await expect(cloud.images!.publish(artifact, key, testContext())).rejects.toMatchObject({
    code: 'openstack-quota',
    class: 'quota',
  })
  expect(await gather(cloud.images!.leftovers(fixture.owner, testContext()))).toEqual([])
  const small = await fixture.makeArtifact('small.raw', 4 * MiB, [[MiB, randomBytes(5000)]])
  expect(
    await cloud.images!.publish(small, imageKey(cloud, fixture.owner, small, 'small'), testContext()),
  ).toBeDefined()
})

test('says before anything is built that the quota of images leaves no room', async () => {
  const { fixture, double } = scene
  const { images } = await fixture.open()
  const need = { virtualBytes: 10 * 1024 * MiB, storedBytes: MiB }
  await images!.check('RegionOne', need, testContext())
  const left = (size: number, count: number) => ({
    usage: {
      image_size_total: { limit: 20_000, usage: 20_000 - size },
      image_count_total: { limit: 10, usage: 10 - count },
    },
  })
  const tell = (json: object) =>
    double.inject({
      service: 'image',
      path: /\/info\/usage$/,
      effect: { kind: 'refused', isDone: false, status: 200, json },
    })
  const tight = tell(left(10_239, 1))
  await expect(images!.check('RegionOne', need, testContext())).rejects.toMatchObject({
    code: 'openstack-quota',
    class: 'quota',
  })
  tight.remove()
  const full = tell(left(20_000, 0))
  await expect(images!.check('RegionOne', need, testContext())).rejects.toMatchObject({
    code: 'openstack-quota',
  })
  full.remove()
  const enough = tell(left(10_240, 1))
  await images!.check('RegionOne', need, testContext())
  enough.remove()
  tell({ usage: { image_size_total: { limit: -1, usage: 5 } } })
  await images!.check('RegionOne', need, testContext())
})

test('says that an older Glance offers no other way than put', async () => {
  const { images } = await scene.fixture.open({
    method: 'web-download',
    downloadFrom: 'https://files.example.org',
  })
  const nothing = { virtualBytes: 0, storedBytes: 0 }
  await expect(images!.check('RegionOne', nothing, testContext())).rejects.toMatchObject({
    code: 'openstack-import-method',
    message: expect.stringContaining('nothing but put') as string,
  })
})
