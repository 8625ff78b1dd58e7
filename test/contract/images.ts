import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ImageKey, imageMarks } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { type OpenCloud, gather, imageKey, testContext } from './shared.ts'

export interface ImagesFixture extends OpenCloud {
  readonly artifact: Artifact
  /** Puts something that the factory did not make where a publish of the key would put its image. */
  plantForeign(key: ImageKey): Promise<void>
  /** Starts a publish in a process of its own and kills that while the content is on its way. */
  killPublish(artifact: Artifact, key: ImageKey): Promise<void>
}

/** What every cloud that takes images must do. */
export function imageContract(kind: string, makeFixture: () => Promise<ImagesFixture>): void {
  describe(`${kind} keeps the contract of images`, () => {
    let fixture: ImagesFixture
    beforeAll(async () => {
      fixture = await makeFixture()
    })
    afterAll(async () => {
      await fixture[Symbol.asyncDispose]()
    })

    test('publishes an image once, finds it by its content, lists it, and removes it twice', async () => {
      const { owner, artifact } = fixture
      const ctx = testContext()
      const key = imageKey(await fixture.open(), owner, artifact)
      const before = await (await fixture.open()).images!.find(key, ctx)
      expect(before).toBeUndefined()
      const image = await (await fixture.open()).images!.publish(artifact, key, ctx)
      expect(image).toMatchObject({
        cloud: key.cloud,
        region: key.region,
        arch: artifact.arch,
        format: artifact.format,
        sha256: artifact.sha256,
        sizeBytes: artifact.virtualBytes,
        release: 'test',
        origin: key.origin,
      })
      const cloud = await fixture.open()
      expect(await cloud.images!.find(key, ctx)).toEqual(image)
      expect(await cloud.images!.publish(artifact, key, ctx)).toEqual(image)
      const renamed = imageKey(cloud, owner, artifact, 'renamed')
      expect(await cloud.images!.publish(artifact, renamed, ctx), 'the same content again').toEqual(image)
      expect(await gather(cloud.images!.list(ctx))).toEqual([image])
      expect(await cloud.images!.inUse?.(image, ctx), 'nothing uses it').toBeUndefined()
      await cloud.images!.remove(image, ctx)
      expect(await cloud.images!.inUse?.(image, ctx), 'it is gone').toBeUndefined()
      await cloud.images!.remove(image, ctx)
      expect(await cloud.images!.find(key, ctx)).toBeUndefined()
      expect(await gather(cloud.images!.list(ctx))).toEqual([])
    })

    test('refuses to publish under a name that somebody else took, and leaves what is there alone', async () => {
      const { owner, artifact } = fixture
      const ctx = testContext()
      const cloud = await fixture.open()
      const key = imageKey(cloud, owner, artifact, 'foreign')
      await fixture.plantForeign(key)
      expect(await cloud.images!.find(key, ctx)).toBeUndefined()
      await expect(cloud.images!.publish(artifact, key, ctx)).rejects.toMatchObject({
        code: 'image-name-taken',
        class: 'user',
      })
      expect(await cloud.images!.find(key, ctx)).toBeUndefined()
      expect(await gather(cloud.images!.list(ctx))).toEqual([])
    })

    test('does not believe in what a killed publish left, and makes it whole at the next try', async () => {
      const { owner, artifact } = fixture
      const ctx = testContext()
      const cloud = await fixture.open()
      const key = imageKey(cloud, owner, artifact, 'killed')
      await fixture.killPublish(artifact, key)
      expect(await cloud.images!.find(key, ctx)).toBeUndefined()
      expect(await gather(cloud.images!.list(ctx))).toEqual([])
      const image = await cloud.images!.publish(artifact, key, ctx)
      expect(await cloud.images!.find(key, ctx)).toEqual(image)
      expect(await gather(cloud.images!.leftovers(owner, ctx))).toEqual([])
      await cloud.images!.remove(image, ctx)
    })

    test('finds what a killed publish left, for its owner and with an end, and discards it twice', async () => {
      const { owner, artifact } = fixture
      const ctx = testContext()
      const cloud = await fixture.open()
      const key = imageKey(cloud, owner, artifact, 'left')
      await fixture.killPublish(artifact, key)
      expect(await gather(cloud.images!.leftovers('somebody-else', ctx))).toEqual([])
      const leftovers = await gather(cloud.images!.leftovers(owner, ctx))
      const { region, arch, release } = key
      expect(leftovers).toMatchObject([{ kind: 'image', region, owner, arch, release }])
      const [leftover] = leftovers
      expect(Date.parse(leftover!.expires!)).toBeGreaterThan(Date.now())
      await cloud.images!.discard(leftover!, ctx)
      await cloud.images!.discard(leftover!, ctx)
      expect(await gather(cloud.images!.leftovers(owner, ctx))).toEqual([])
      expect(await cloud.images!.find(key, ctx)).toBeUndefined()
    })

    test('does not discard what has become a complete image meanwhile', async () => {
      const { owner, artifact } = fixture
      const ctx = testContext()
      const cloud = await fixture.open()
      const key = imageKey(cloud, owner, artifact, 'finished')
      await fixture.killPublish(artifact, key)
      const [leftover] = await gather(cloud.images!.leftovers(owner, ctx))
      const image = await cloud.images!.publish(artifact, key, ctx)
      await cloud.images!.discard(leftover!, ctx)
      expect(await cloud.images!.find(key, ctx)).toEqual(image)
      await cloud.images!.remove(image, ctx)
    })

    test('bears each mark that it is given, also twice, and is found, listed and adopted whatever its mark, until it is gone', async () => {
      const { owner, artifact } = fixture
      const cloud = await fixture.open()
      const key = imageKey(cloud, owner, artifact, 'marked')
      const image = await cloud.images!.publish(artifact, key, testContext())
      const marked = async () => await (await fixture.open()).images!.marked!(image, testContext())
      expect(await marked()).toBeUndefined()
      for (const mark of imageMarks) {
        await cloud.images!.mark!(image, mark, testContext())
        await cloud.images!.mark!(image, mark, testContext())
        expect(await marked()).toBe(mark)
      }
      // There and back: what one mark set another one has to clear.
      for (const mark of ['promoted', 'ignored'] as const) {
        const ctx = testContext()
        await cloud.images!.mark!(image, mark, ctx)
        expect(await marked()).toBe(mark)
        expect(await cloud.images!.find(key, ctx), mark).toEqual(image)
        expect(await gather(cloud.images!.list(ctx)), mark).toEqual([image])
        expect(await gather(cloud.images!.leftovers(owner, ctx)), mark).toEqual([])
      }
      expect(await cloud.images!.publish(artifact, key, testContext())).toEqual(image)
      expect(await marked(), 'publishing it again is no choice to use it').toBe('ignored')

      const ctx = testContext()
      const gone = { code: 'image-gone', class: 'user', message: expect.stringContaining(image.id) }
      const other = { ...image, sha256: 'f'.repeat(64) }
      await expect(cloud.images!.mark!(other, 'promoted', ctx), 'other content').rejects.toMatchObject(gone)
      expect(await cloud.images!.marked!(other, ctx)).toBeUndefined()
      expect(await marked()).toBe('ignored')
      await cloud.images!.remove(image, ctx)
      await expect(cloud.images!.mark!(image, 'promoted', ctx)).rejects.toMatchObject(gone)
      expect(await marked()).toBeUndefined()
      expect(await gather(cloud.images!.list(ctx))).toEqual([])
      expect(await gather(cloud.images!.leftovers(owner, ctx))).toEqual([])
    }, 180_000)
  })
}
