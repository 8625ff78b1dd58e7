import { rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gather, imageKey, testContext } from '#test/contract/cloud.ts'
import { type LibvirtFixture, createLibvirtFixture } from './libvirt-fixture.ts'
import { putVolume } from './libvirt-pool.ts'

let fixture: LibvirtFixture
let before: string[]
let empty: string
beforeAll(async () => {
  fixture = await createLibvirtFixture()
  before = await fixture.pool.files()
  empty = join(fixture.directory, 'empty')
  await writeFile(empty, '')
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
})

async function publishOne(name: string) {
  const { images } = await fixture.open()
  const ctx = testContext()
  const artifact = await fixture.makeArtifact(`${name}.raw`, 1, 2)
  const key = imageKey(await fixture.open(), fixture.owner, artifact, name)
  const image = await images!.publish(artifact, key, ctx)
  const channels = async () =>
    (await fixture.pool.files())
      .filter((file) => file.startsWith(`${image.name}.channel`))
      .map((file) => file.slice(image.name.length + 1))
  return { ctx, key, artifact, image, images: images!, channels }
}

test('the mark is the name of an empty volume beside the image, and goes with it', async () => {
  const { ctx, image, images, channels } = await publishOne('named')
  await images.mark!(image, 'candidate', ctx)
  await images.mark!(image, 'promoted', ctx)
  expect(await channels()).toEqual(['channel-2-promoted'])
  expect((await stat(join(fixture.pool.path, `${image.name}.channel-2-promoted`))).size).toBe(0)
  await images.remove(image, ctx)
  expect(await fixture.pool.files()).toEqual(before)
})

test('of two marks, after a kill between making one and removing the other, the later counts and the next try removes the other', async () => {
  const { ctx, image, images, channels } = await publishOne('killed')
  await putVolume(fixture.pool, `${image.name}.channel-9-promoted`, empty)
  await putVolume(fixture.pool, `${image.name}.channel-10-ignored`, empty)
  expect(await channels()).toEqual(['channel-10-ignored', 'channel-9-promoted'])
  expect(await images.marked!(image, ctx)).toBe('ignored')
  await images.mark!(image, 'ignored', ctx)
  expect(await channels()).toEqual(['channel-10-ignored'])
  await putVolume(fixture.pool, `${image.name}.channel-11-previous`, empty)
  await images.mark!(image, 'promoted', ctx)
  expect(await channels()).toEqual(['channel-12-promoted'])
  await images.remove(image, ctx)
  expect(await fixture.pool.files()).toEqual(before)
})

test('a mark without its image is a leftover, and none of the next image of that name', async () => {
  const { ctx, key, artifact, image, images, channels } = await publishOne('lonely')
  await images.remove(image, ctx)
  const lonely = `${image.name}.channel-3-promoted`
  await putVolume(fixture.pool, lonely, empty)
  const [leftover, ...others] = await gather(images.leftovers(fixture.owner, ctx))
  expect(leftover).toMatchObject({ kind: 'image', id: image.name, state: 'half-removed' })
  expect(Date.parse(leftover!.expires!)).toBeGreaterThan(Date.now())
  expect(others).toEqual([])
  await images.discard(leftover!, ctx)
  expect(await fixture.pool.files()).toEqual(before)

  await putVolume(fixture.pool, lonely, empty)
  const again = await images.publish(artifact, key, ctx)
  expect(await channels()).toEqual([])
  await images.remove(again, ctx)
  expect(await fixture.pool.files()).toEqual(before)
})

test('of an image whose removal was cut short the mark goes too', async () => {
  const { ctx, image, images } = await publishOne('half')
  await images.mark!(image, 'superseded', ctx)
  await rm(join(fixture.pool.path, image.name))
  expect(await images.marked!(image, ctx)).toBeUndefined()
  await expect(images.mark!(image, 'promoted', ctx)).rejects.toMatchObject({ code: 'image-gone' })
  const [leftover] = await gather(images.leftovers(fixture.owner, ctx))
  await images.discard(leftover!, ctx)
  expect(await fixture.pool.files()).toEqual(before)
})
