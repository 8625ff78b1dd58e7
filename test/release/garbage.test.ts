import { describe, expect, test } from 'vitest'
import { openStore } from '#src/artifact/store.ts'
import { ignore, pin, promote } from '#src/release/choose.ts'
import { collectGarbage } from '#src/release/collect-garbage.ts'
import { listImages } from '#src/release/images.ts'
import { superfluous } from '#src/release/retention.ts'
import { releaseContext } from '#src/release/scope.ts'
import { resultOf, scriptedFactory } from './scripted.ts'

type Factory = Awaited<ReturnType<typeof scriptedFactory>>

const day = 86_400_000
const by = 'somebody@here'
const chooser = (factory: Factory) => ({ journal: factory.journal(), require: factory.settings.require })
const later = () => Date.now() + 100 * day

async function releases(factory: Factory, count: number): Promise<string[]> {
  const names: string[] = []
  for (let made = 0; made < count; made += 1)
    names.push(resultOf(await factory.release({ force: true })).release)
  return names
}

/** Releases of which images would be removed. */
function over(factory: Factory, keep: number, now = later()): string[] {
  const { images } = superfluous(factory.state(), { keep, minAgeMs: 30 * day }, { require: 'all', now })
  return [...new Set(images.map(({ release }) => release))]
}

function collect(factory: Factory, changes: { dryRun?: boolean; limit?: number; keep?: number } = {}) {
  const { signal } = new AbortController()
  const { dryRun = false, limit = 50, keep = 1 } = changes
  return collectGarbage(
    { journal: factory.journal(), clouds: factory.clouds, store: openStore(factory.stateDirectory) },
    { retention: { keep, minAgeMs: 30 * day }, require: 'all', limit, dryRun },
    releaseContext({ signal, now: later }),
  )
}

const namesOf = (factory: Factory) => [...factory.world.images.values()].map(({ name }) => name)

describe('what retention leaves over', () => {
  test('is older than the age and not among the newest complete ones', async () => {
    await using factory = await scriptedFactory()
    const [one, two, three] = (await releases(factory, 3)) as [string, string, string]
    expect(over(factory, 1)).toEqual([one, two])
    expect(over(factory, 2)).toEqual([one])
    expect(over(factory, 3)).toEqual([])
    expect(over(factory, 1, Date.now() + 29 * day)).toEqual([])
    // Nothing is kept by number, and the candidate all the same.
    expect(over(factory, 0)).toEqual([one, two])
    expect(factory.state().channels.candidate).toBe(three)
  })

  test('is never promoted, previous, pinned, open, or the place of a rented machine', async () => {
    await using factory = await scriptedFactory()
    const names = (await releases(factory, 6)) as [string, string, string, string, string, string]
    const [one, two, three, four, five] = names
    promote(chooser(factory), one, { by })
    promote(chooser(factory), two, { by })
    pin(chooser(factory), three, { by, pinned: true })
    factory.append({ type: 'release-resumed', release: four })
    expect(over(factory, 1)).toEqual([five])
    const lease = {
      id: 'l1',
      owner: 'lab',
      release: five,
      arch: 'x86_64',
      expires: '2030-01-01T00:00:00Z',
    } as const
    factory.append({ type: 'lease-found', release: five, cloud: 'lab', lease })
    expect(over(factory, 1)).toEqual([])
  })

  test('does not count what is ignored or incomplete among the newest', async () => {
    await using factory = await scriptedFactory()
    const [one, two] = (await releases(factory, 2)) as [string, string]
    factory.faults.push({ arch: 's390x', at: 'container', class: 'user', times: 1 })
    const { release: half } = resultOf(await factory.release({ force: true }))
    ignore(chooser(factory), two, { by, why: 'broken' })
    expect(over(factory, 1)).toEqual([two, half])
    expect(factory.state().channels.candidate).toBe(one)
  })

  test('is no image that a release shares with one that stays', async () => {
    await using factory = await scriptedFactory()
    const [one, two] = (await releases(factory, 2)) as [string, string]
    const shared = factory.state().releases[0]!.images[0]!.image
    const { id: imageId, arch, cloud, region } = shared
    factory.append({ type: 'image-published', release: two, image: shared as never })
    factory.append({
      type: 'image-verified',
      release: two,
      imageId,
      arch,
      cloud,
      region,
      result: 'passed',
      how: 'booted',
    })
    const { images } = superfluous(
      factory.state(),
      { keep: 1, minAgeMs: day },
      { require: 'all', now: later() },
    )
    expect(images).toHaveLength(3)
    expect(images.map(({ image }) => image.id)).not.toContain(shared.id)
    expect(over(factory, 1)).toEqual([one])
  })
})

describe('factory gc', () => {
  test('as a dry run removes nothing and writes nothing', async () => {
    await using factory = await scriptedFactory()
    await releases(factory, 2)
    const before = factory.journal().read().length
    const { collected } = await collect(factory, { dryRun: true })
    expect(collected.map(({ action }) => action)).toEqual(Array(8).fill('would be removed'))
    expect(factory.world.images.size).toBe(8)
    expect(factory.journal().read()).toHaveLength(before)
  })

  test('removes images from the cloud and their bytes from the store, and nothing of what stays', async () => {
    await using factory = await scriptedFactory()
    const [one, two] = (await releases(factory, 2)) as [string, string]
    const store = openStore(factory.stateDirectory)
    const artifactsOf = (release: string) =>
      [...factory.state().collected.values()].filter((build) => build.release === release)
    const { collected, kept } = await collect(factory)
    expect(collected.map(({ what, action }) => `${what} ${action}`).toSorted()).toEqual([
      ...Array(4).fill('artifact removed'),
      ...Array(4).fill('image removed'),
    ])
    expect(kept).toEqual([{ release: two, why: 'candidate' }])
    expect(namesOf(factory).every((name) => name.includes(two))).toBe(true)
    for (const { artifacts } of artifactsOf(two))
      expect(await store.has(artifacts[0]!.sha256, artifacts[0]!.sizeBytes)).toBe(true)
    for (const { artifacts } of artifactsOf(one))
      expect(await store.has(artifacts[0]!.sha256, artifacts[0]!.sizeBytes)).toBe(false)
    expect(
      new Set(listImages(factory.state(), 'all').map(({ release, state }) => `${release} ${state}`)),
    ).toEqual(new Set([`${two} candidate`, `${one} removed`]))
    expect((await collect(factory)).collected).toEqual([])
  })

  test('removes at most so many, the oldest first, and the next run goes on', async () => {
    await using factory = await scriptedFactory()
    const [one] = await releases(factory, 3)
    const first = await collect(factory, { limit: 3 })
    expect(first.collected.map(({ release }) => release)).toEqual([one, one, one])
    expect(factory.world.images.size).toBe(9)
    await collect(factory)
    expect(factory.world.images.size).toBe(4)
  })

  test('leaves what a machine uses, and goes on after one that fails', async () => {
    await using factory = await scriptedFactory()
    await releases(factory, 2)
    const [used, failing] = namesOf(factory) as [string, string]
    factory.world.used.add(used)
    factory.world.onCall = (call) => {
      if (call === `remove ${failing}`) throw new Error('the cloud is away')
    }
    const { collected } = await collect(factory)
    const images = collected.filter(({ what }) => what === 'image')
    expect(images.find(({ name }) => name === used)).toMatchObject({ action: 'left', why: /m1/ })
    expect(images.find(({ name }) => name === failing)).toMatchObject({
      action: 'failed',
      why: expect.stringContaining('the cloud is away') as string,
    })
    expect(images.filter(({ action }) => action === 'removed')).toHaveLength(2)
    factory.world.onCall = () => {}
    const again = await collect(factory)
    expect(again.collected).toMatchObject([{ action: 'left' }, { name: failing, action: 'removed' }])
  })

  test('is not stopped for good by images that are in use: they do not count towards the limit', async () => {
    await using factory = await scriptedFactory()
    const [one, two] = (await releases(factory, 3)) as [string, string]
    for (const name of namesOf(factory)) if (name.includes(one)) factory.world.used.add(name)
    const { collected } = await collect(factory, { limit: 2 })
    expect(collected.map(({ release, action }) => `${release} ${action}`)).toEqual([
      ...Array<string>(4).fill(`${one} left`),
      ...Array<string>(2).fill(`${two} removed`),
    ])
  })

  test('leaves what is promoted, or pinned, while it removes other things', async () => {
    await using factory = await scriptedFactory()
    const [one, two, three] = (await releases(factory, 4)) as [string, string, string]
    let isFirst = true
    factory.world.onCall = (call) => {
      if (!call.startsWith('remove ') || !isFirst) return
      isFirst = false
      promote(chooser(factory), two, { by })
      pin(chooser(factory), three, { by, pinned: true })
    }
    const { collected } = await collect(factory)
    const actions = (release: string) =>
      new Set(collected.filter((one) => one.release === release).map(({ action }) => action))
    expect(actions(one)).toEqual(new Set(['removed']))
    expect(actions(two)).toEqual(new Set(['left']))
    expect(actions(three)).toEqual(new Set(['left']))
    expect(namesOf(factory).filter((name) => name.includes(two))).toHaveLength(4)
    expect(over(factory, 1)).toEqual([])
  })

  test('says of every release that had an image that it is gone, so that none is promoted without it', async () => {
    await using factory = await scriptedFactory()
    const [, two] = (await releases(factory, 3)) as [string, string]
    const shared = factory.state().releases[0]!.images[0]!.image
    factory.append({ type: 'image-published', release: two, image: shared as never })
    await collect(factory, { limit: 1 })
    expect(() => promote(chooser(factory), two, { by, force: true, why: 'x' })).toThrow(
      /removed by factory gc/,
    )
  })

  test('that was killed after an image was removed finishes it without a second look at what stays', async () => {
    await using factory = await scriptedFactory()
    const [one] = (await releases(factory, 2)) as [string]
    const { image } = factory.state().releases[0]!.images[0]!
    const { arch, cloud, region, id: imageId } = image
    factory.append({ type: 'image-removing', release: one, arch, cloud, region, imageId, why: 'old' })
    factory.world.images.delete(`${arch} ${image.sha256}`)
    factory.reopen()
    await collect(factory)
    expect(
      listImages(factory.state(), 'all').filter(
        ({ release, state }) => release === one && state !== 'removed',
      ),
    ).toEqual([])
  })

  test('does not let the next release go on with one whose images are gone: it makes a new one', async () => {
    await using factory = await scriptedFactory()
    const [one] = (await releases(factory, 2)) as [string]
    await collect(factory)
    const { release } = resultOf(await factory.release({ force: true }))
    expect(release).not.toBe(one)
    expect(factory.state().channels.candidate).toBe(release)
    expect(() => promote(chooser(factory), one, { by, force: true, why: 'x' })).toThrow(
      /removed by factory gc/,
    )
  })

  test('is not taken for "nothing changed": images of the newest release that were removed are made again', async () => {
    await using factory = await scriptedFactory()
    const [one] = (await releases(factory, 1)) as [string]
    ignore(chooser(factory), one, { by, why: 'broken' })
    await collect(factory, { limit: 1 })
    const { release, outcome, state } = resultOf(await factory.release())
    expect(release).not.toBe(one)
    expect(outcome).toBe('done')
    expect(state.images).toHaveLength(4)
  })
})
