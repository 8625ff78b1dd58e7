import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BuilderSpec, Cloud, Image, ImageKey, Lease, Resource } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'

/** What a cloud brings to its contract: a real place of its own that is empty at first. */
export interface CloudFixture extends AsyncDisposable {
  readonly owner: string
  /** A fresh instance that remembers nothing in memory. */
  open(): Promise<Cloud>
  /** A machine that is started quickly; it need not answer over SSH. */
  readonly spec: BuilderSpec
  readonly artifact: Artifact
  /** Puts something that the factory did not make where a publish of the key would put its image. */
  plantForeign(key: ImageKey): Promise<void>
  /** Starts a publish in a process of its own and kills that while the content is on its way. */
  killPublish(artifact: Artifact, key: ImageKey): Promise<void>
}

/** A context for tests: what is told is kept, the deadline is short. */
export function testContext(limitMs = 50_000): Context & { told: string[] } {
  const told: string[] = []
  return {
    told,
    signal: AbortSignal.timeout(limitMs),
    emit: ({ message }) => told.push(message),
    log: (line) => told.push(line),
    now: Date.now,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  }
}

/** A lease that no other test has. */
export function newLease(owner: string, arch: Lease['arch']): Lease {
  const id = `t-${randomBytes(5).toString('hex')}`
  return { id, owner, release: 'test', arch, expires: new Date(Date.now() + 3_600_000).toISOString() }
}

/** The key of an artifact's image; another name makes another image. */
export function imageKey(cloud: Cloud, owner: string, artifact: Artifact, name = 'contract'): ImageKey {
  const { arch, sha256, format } = artifact
  const region = cloud.images!.regions[0]!
  const pushedDigest = `sha256:${'d'.repeat(64)}`
  const origin = {
    releaseKey: 'key',
    buildKey: `key-${arch}`,
    identity: 'test 1',
    imageName: name,
    pushedDigest,
  }
  const place = { cloud: cloud.name, region, arch }
  return { ...place, sha256, format, name: `${name}-${arch}`, release: 'test', owner, origin }
}

/** What every cloud must do; a cloud's own test calls this with its fixture. */
export function cloudContract(kind: string, makeFixture: () => Promise<CloudFixture>): void {
  describe(`${kind} keeps the contract of clouds`, () => {
    let fixture: CloudFixture
    beforeAll(async () => {
      fixture = await makeFixture()
    })
    afterAll(async () => {
      await fixture[Symbol.asyncDispose]()
    })

    test('rents one machine for a lease however often it is asked, marks it, and gives everything back', async () => {
      const { owner, spec } = fixture
      const ctx = testContext()
      const lease = newLease(owner, spec.arch)
      const first = await (await fixture.open()).builders!.acquire(spec, lease, ctx)
      const cloud = await fixture.open()
      try {
        const second = await cloud.builders!.acquire(spec, lease, ctx)
        expect(second).toEqual(first)
        const found = await gather(cloud.builders!.find(owner, ctx))
        const machines = found.filter(({ kind }) => kind === 'machine')
        expect(machines).toHaveLength(1)
        for (const resource of found) {
          const { id: leaseId, release, arch, expires } = lease
          expect(resource).toMatchObject({ owner, leaseId, release, arch, expires })
        }
        expect(await gather(cloud.builders!.find('somebody-else', ctx))).toEqual([])
      } finally {
        await cloud.builders!.release(lease.id, ctx)
      }
      await cloud.builders!.release(lease.id, ctx)
      expect(await gather(cloud.builders!.find(owner, ctx))).toEqual([])
    })

    test('takes giving back what was never rented for success', async () => {
      await (await fixture.open()).builders!.release('t-never-rented', testContext())
    })

    test('shows the new end on everything of a lease that was prolonged', async () => {
      const { owner, spec } = fixture
      const ctx = testContext()
      const lease = newLease(owner, spec.arch)
      const cloud = await fixture.open()
      const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString()
      const ends = [inHours(2), inHours(4)] as const
      await cloud.builders!.acquire(spec, lease, ctx)
      try {
        for (const end of [ends[0], ends[1], ends[1]]) {
          await (await fixture.open()).builders!.prolong(lease.id, end, ctx)
        }
        const found = await gather(cloud.builders!.find(owner, ctx))
        expect(found.some(({ kind }) => kind === 'machine')).toBe(true)
        expect(new Set(found.map(({ leaseId, expires }) => `${leaseId} ${expires}`))).toEqual(
          new Set([`${lease.id} ${ends[1]}`]),
        )
      } finally {
        await cloud.builders!.release(lease.id, ctx)
      }
      expect(await gather(cloud.builders!.find(owner, ctx))).toEqual([])
    })

    test('says that a lease is gone when the machine to prolong is not there', async () => {
      const { builders } = await fixture.open()
      const end = new Date(Date.now() + 3_600_000).toISOString()
      const gone = { code: 'lease-gone', class: 'infra' }
      await expect(builders!.prolong('t-never-rented', end, testContext())).rejects.toMatchObject(gone)
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
      await cloud.images!.remove(image, ctx)
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
  })
}

/** All of an asynchronous sequence. */
export async function gather<T extends Resource | Image>(sequence: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const each of sequence) all.push(each)
  return all
}
