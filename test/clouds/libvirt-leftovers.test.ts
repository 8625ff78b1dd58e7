import { copyFile, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { publishingMs } from '#clouds/libvirt/image-claim.ts'
import { openHypervisor } from '#clouds/libvirt/hypervisor.ts'
import { besideVolume, imageVolumeNames } from '#clouds/libvirt/image-marker.ts'
import { openPool } from '#clouds/libvirt/pools.ts'
import { publish } from '#clouds/libvirt/publish.ts'
import type { Image } from '#clouds/types.ts'
import { FactoryError } from '#src/errors.ts'
import { gather, imageKey, testContext } from '#test/contract/cloud.ts'
import { type LibvirtFixture, createLibvirtFixture } from './libvirt-fixture.ts'
import { localUri } from './libvirt-pool.ts'

let fixture: LibvirtFixture
let before: string[]
beforeAll(async () => {
  fixture = await createLibvirtFixture()
  before = await fixture.pool.files()
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
})

const inPool = (name: string) => join(fixture.pool.path, name)

async function publishOne(name: string) {
  const cloud = await fixture.open()
  const ctx = testContext()
  const artifact = await fixture.makeArtifact(`${name}.raw`, 1, 2)
  const key = imageKey(cloud, fixture.owner, artifact, name)
  const image = await cloud.images!.publish(artifact, key, ctx)
  const leftovers = () => gather(cloud.images!.leftovers(fixture.owner, ctx))
  return { ctx, key, artifact, image, leftovers, images: cloud.images!, names: besideVolume(image.name) }
}

test('of a claim that stays beside a complete image only the claim is discarded', async () => {
  const { ctx, key, image, leftovers, images, names } = await publishOne('claimed')
  await copyFile(inPool(names.marker), inPool(names.claim))
  const [leftover] = await leftovers()
  expect(leftover).toMatchObject({ kind: 'image', id: image.name, state: 'complete, with a claim' })
  await images.discard(leftover!, ctx)
  expect(await leftovers()).toEqual([])
  expect(await images.find(key, ctx)).toEqual(image)
  await images.remove(image, ctx)
  expect(await fixture.pool.files()).toEqual(before)
})

test('an image whose removal was cut short is a leftover until its marker is gone', async () => {
  const { ctx, image, leftovers, images, names } = await publishOne('removed')
  await rm(inPool(names.volume))
  const [leftover] = await leftovers()
  expect(leftover).toMatchObject({ id: image.name, release: 'test', state: 'half-removed' })
  await images.discard(leftover!, ctx)
  expect(await fixture.pool.files()).toEqual(before)
})

test('a claim that was made and not filled is discarded, and not the volume of somebody else beside it', async () => {
  const cloud = await fixture.open()
  const ctx = testContext()
  const names = besideVolume('foreign-0123456789ab.raw')
  await writeFile(inPool(names.volume), 'precious')
  await writeFile(inPool(names.claim), Buffer.alloc(400))
  const [leftover] = await gather(cloud.images!.leftovers(fixture.owner, ctx))
  expect(leftover).toMatchObject({ id: names.volume, owner: fixture.owner })
  const age = Date.parse(leftover!.expires!) - Date.now()
  expect(age).toBeGreaterThan(publishingMs - 60_000)
  await cloud.images!.discard(leftover!, ctx)
  expect(await fixture.pool.files()).toEqual([...before, names.volume].toSorted())
  await rm(inPool(names.volume))
})

test('what was claimed anew since it was found is not discarded', async () => {
  const cloud = await fixture.open()
  const ctx = testContext()
  const { artifact, owner } = fixture
  const key = imageKey(cloud, owner, artifact, 'twice')
  await fixture.killPublish(artifact, key)
  const [first] = await gather(cloud.images!.leftovers(owner, ctx))
  const { claim } = imageVolumeNames(key)
  const expires = new Date(Date.now() + publishingMs).toISOString()
  const written = JSON.parse(await readFile(inPool(claim), 'utf8'))
  await writeFile(inPool(claim), JSON.stringify({ ...written, expires }))
  await cloud.images!.discard(first!, ctx)
  const [second] = await gather(cloud.images!.leftovers(owner, ctx))
  expect(second).toEqual({ ...first, expires })
  await cloud.images!.discard(second!, ctx)
  expect(await fixture.pool.files()).toEqual(before)
})

test('an image of an older factory is listed, without an origin', async () => {
  const { ctx, key, image, images, names } = await publishOne('older')
  const { origin: _, ...marker } = JSON.parse(await readFile(inPool(names.marker), 'utf8'))
  await writeFile(inPool(names.marker), JSON.stringify(marker))
  const { origin: _origin, ...older } = image
  expect(await images.find(key, ctx)).toEqual(older)
  expect(await gather(images.list(ctx))).toEqual([older])
  await images.remove(image, ctx)
})

test('a claim of an older factory, which says no end, ends by its age', async () => {
  const { ctx, image, leftovers, images, names } = await publishOne('ageing')
  await rename(inPool(names.marker), inPool(names.claim))
  const [leftover] = await leftovers()
  expect(leftover).toMatchObject({ id: image.name, state: 'half-made', release: 'test' })
  const made = (await stat(inPool(names.claim))).mtimeMs
  expect(Math.abs(Date.parse(leftover!.expires!) - made - publishingMs)).toBeLessThan(1000)
  await images.discard(leftover!, ctx)
  expect(await fixture.pool.files()).toEqual(before)
})

test('what became complete after a factory had looked for it is adopted and not made anew', async () => {
  const { ctx, key, image, images, artifact } = await publishOne('adopted')
  const pool = await openPool(await openHypervisor(localUri, fixture.directory), fixture.pool.name, ctx)
  const { mtimeMs } = await stat(image.id)
  expect(await publish(pool, artifact, key, ctx)).toMatchObject({ sha256: image.sha256 })
  expect((await stat(image.id)).mtimeMs).toBe(mtimeMs)
  expect(await images.find(key, ctx)).toEqual(image)
  await images.remove(image, ctx)
})

test('a factory that wakes up late adopts what its successor has published meanwhile', async () => {
  const cloud = await fixture.open()
  const ctx = testContext()
  const { artifact, owner } = fixture
  const key = imageKey(cloud, owner, artifact, 'late')
  const sleeper = await fixture.startPublish(artifact, key)
  process.kill(sleeper.pid, 'SIGSTOP')
  const image = await publishWhenClosed()
  process.kill(sleeper.pid, 'SIGCONT')
  expect(await sleeper.result()).toEqual(image)
  expect(await cloud.images!.find(key, ctx)).toEqual(image)
  expect(await gather(cloud.images!.leftovers(owner, ctx))).toEqual([])
  await cloud.images!.remove(image, ctx)
  expect(await fixture.pool.files()).toEqual(before)

  /** The sleeper's virsh is awake and sends to the end; until then libvirt lets nobody remove the volume. */
  async function publishWhenClosed(): Promise<Image> {
    for (;;) {
      try {
        return await cloud.images!.publish(artifact, key, ctx)
      } catch (error) {
        if (!(error instanceof FactoryError) || error.code !== 'volume-in-use') throw error
      }
    }
  }
})

test('a factory that finds another one’s claim instead of its own takes nothing of it away', async () => {
  const cloud = await fixture.open()
  const ctx = testContext()
  const { artifact, owner } = fixture
  const key = imageKey(cloud, owner, artifact, 'overtaken')
  const names = imageVolumeNames(key)
  const sleeper = await fixture.startPublish(artifact, key)
  process.kill(sleeper.pid, 'SIGSTOP')
  const claim = JSON.parse(await readFile(inPool(names.claim), 'utf8'))
  await writeFile(inPool(names.claim), JSON.stringify({ ...claim, publisher: 'successor' }))
  process.kill(sleeper.pid, 'SIGCONT')
  await expect(sleeper.result()).rejects.toThrow('publish-overtaken')
  expect(await fixture.pool.files()).toEqual([...before, names.volume, names.claim].toSorted())
  const [leftover] = await gather(cloud.images!.leftovers(owner, ctx))
  await cloud.images!.discard(leftover!, ctx)
})
