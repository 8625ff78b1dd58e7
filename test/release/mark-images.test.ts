import { expect, test } from 'vitest'
import type { ArchitectureName } from '#arch/index.ts'
import type { ImageMark } from '#clouds/types.ts'
import { FactoryError } from '#src/errors.ts'
import type { Journal } from '#src/journal/journal.ts'
import { markImages } from '#src/release/mark-images.ts'
import { resultOf, scriptedFactory } from './scripted.ts'

type Factory = Awaited<ReturnType<typeof scriptedFactory>>

/** Marks, and returns what the clouds were asked for meanwhile. */
async function mark(
  factory: Factory,
  options: { repair?: boolean; signal?: AbortSignal; journal?: Journal } = {},
) {
  const { world, settings: configuration, clouds } = factory
  world.calls.length = 0
  const { signal = new AbortController().signal, journal = factory.journal() } = options
  const listener = (event: (typeof world.events)[number]) => void world.events.push(event)
  const parts = { journal, clouds, listener, signal, now: Date.now, configuration }
  await markImages(parts, options)
  return world.calls.filter((call) => call.startsWith('mark '))
}

/** The mark of each image of a release as its cloud has it. */
function marksOf({ world, state }: Factory, release: string): (ImageMark | undefined)[] {
  const { images } = state().releases.find((one) => one.release === release)!
  return images.map(({ image }) => world.imageMarks.get(`${image.cloud} ${image.id}`))
}

const every = (mark: ImageMark) => [mark, mark, mark, mark]
const promote = (factory: Factory, release: string) =>
  factory.append({ type: 'channel-moved', channel: 'promoted', release })
const warnings = ({ world }: Factory) =>
  world.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))

async function released(
  factory: Factory,
  options: { force?: boolean; architectures?: ArchitectureName[] } = {},
): Promise<string> {
  return resultOf(await factory.release(options)).release
}

test('marks each image as its release stands in the channels, those to be used first, and asks nobody twice', async () => {
  await using factory = await scriptedFactory()
  const releases: string[] = []
  for (let count = 0; count < 4; count += 1) releases.push(await released(factory, { force: true }))
  const [ignored, previous, promoted, candidate] = releases as [string, string, string, string]
  promote(factory, previous)
  promote(factory, promoted)
  factory.append({ type: 'release-ignored', release: ignored, why: 'it does not boot' })
  const calls = await mark(factory)
  expect(marksOf(factory, ignored)).toEqual(every('ignored'))
  expect(marksOf(factory, previous)).toEqual(every('previous'))
  expect(marksOf(factory, promoted)).toEqual(every('promoted'))
  expect(marksOf(factory, candidate)).toEqual(every('candidate'))
  expect([...new Set(calls.map((call) => call.split(' ')[2]))]).toEqual([
    'promoted',
    'previous',
    'candidate',
    'ignored',
  ])
  factory.reopen()
  expect(await mark(factory)).toEqual([])
  promote(factory, candidate)
  await mark(factory)
  expect(marksOf(factory, candidate)).toEqual(every('promoted'))
  expect(marksOf(factory, promoted)).toEqual(every('previous'))
  expect(marksOf(factory, previous)).toEqual(every('superseded'))
})

test('a release that lacks what is required is marked as incomplete when a newer one has taken its place, and not before', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 's390x', at: 'container', class: 'user' })
  const release = await released(factory)
  expect(await mark(factory)).toEqual([])
  const newer = { release: '29991231.0', key: 'newer', owner: 'lab', imageName: 'lab', inputs: {} }
  factory.append({ type: 'release-opened', ...newer, builds: [], destinations: [] })
  factory.append({ type: 'channel-moved', channel: 'candidate', release: newer.release })
  await mark(factory)
  expect(marksOf(factory, release)).toEqual(['incomplete', 'incomplete', 'incomplete'])
})

test('a release of one architecture, made after the candidate on purpose, is not said to be out of use', async () => {
  await using factory = await scriptedFactory()
  await released(factory)
  const part = await released(factory, { force: true, architectures: ['x86_64'] })
  await mark(factory)
  expect(marksOf(factory, part)).toEqual([undefined])
})

test('an image of two releases is marked for the one that is to be used, in the journal of both', async () => {
  await using factory = await scriptedFactory()
  const first = await released(factory)
  const second = await released(factory, { force: true })
  promote(factory, first)
  const state = () => factory.state().releases
  const { image } = state().find(({ release }) => release === first)!.images[0]!
  factory.append({ type: 'image-published', release: second, image })
  factory.append({ type: 'release-ignored', release: second })
  await mark(factory)
  expect(factory.world.imageMarks.get(`${image.cloud} ${image.id}`)).toBe('promoted')
  const marked = state().flatMap(({ images }) =>
    images.filter((one) => one.image.id === image.id).map((one) => one.marked),
  )
  expect(marked).toEqual(['promoted', 'promoted'])
  expect(await mark(factory)).toEqual([])
})

test('what is removed, or about to be, is not marked any more', async () => {
  await using factory = await scriptedFactory()
  const release = await released(factory)
  const { image } = factory.state().releases[0]!.images[0]!
  const { arch, cloud, region, id: imageId } = image
  factory.append({ type: 'image-removing', release, arch, cloud, region, imageId, why: 'old' })
  expect(await mark(factory)).toHaveLength(3)
  expect(factory.world.imageMarks.has(`${cloud} ${imageId}`)).toBe(false)
})

test('what somebody else changed is found only when it is to be repaired, and then told', async () => {
  await using factory = await scriptedFactory()
  const release = await released(factory)
  promote(factory, release)
  await mark(factory)
  const [key] = factory.world.imageMarks.keys()
  factory.world.imageMarks.delete(key!)
  expect(await mark(factory)).toEqual([])
  expect(await mark(factory, { repair: true })).toHaveLength(1)
  expect(factory.world.imageMarks.get(key!)).toBe('promoted')
  expect(warnings(factory)).toEqual([expect.stringMatching(/was not marked as promoted any more/)])
  expect(await mark(factory, { repair: true })).toEqual([])
})

test('one image that cannot be marked does not stop the others, is told, and is marked the next time', async () => {
  await using factory = await scriptedFactory()
  const release = await released(factory)
  factory.faults.push({ arch: 'aarch64', at: 'mark', class: 'user', times: 1 })
  expect(await mark(factory)).toHaveLength(4)
  expect(marksOf(factory, release).filter((one) => one === 'candidate')).toHaveLength(3)
  expect(warnings(factory)).toEqual([
    expect.stringMatching(/could not be marked as candidate: scripted: mark fails/),
  ])
  expect(await mark(factory)).toEqual(['mark aarch64 candidate'])
})

test('a cloud that does not answer is left for the next time, and the others are told all the same', async () => {
  await using factory = await scriptedFactory()
  const release = await released(factory)
  for (const { image } of factory.state().releases[0]!.images)
    factory.append({ type: 'image-published', release, image: { ...image, cloud: 'spare' } })
  for (const arch of ['x86_64', 'aarch64', 'ppc64le', 's390x'] as const)
    factory.faults.push({ arch, at: 'mark', class: 'infra', cloud: 'lab', times: 1 })
  await mark(factory)
  expect([...factory.world.imageMarks.keys()].filter((key) => key.startsWith('spare'))).toHaveLength(4)
  expect([...factory.world.imageMarks.keys()].filter((key) => key.startsWith('lab'))).toEqual([])
  expect(warnings(factory)).toEqual([expect.stringMatching(/The 3 others there were left for the next time/)])
  factory.faults.length = 0
  expect(await mark(factory)).toHaveLength(4)
})

test('a cloud that cannot mark, or is not in the configuration any more, is passed over', async () => {
  await using factory = await scriptedFactory()
  const release = await released(factory)
  const { image } = factory.state().releases[0]!.images[0]!
  factory.append({ type: 'image-published', release, image: { ...image, cloud: 'gone' } })
  factory.clouds.delete('lab')
  expect(await mark(factory)).toEqual([])
  expect(warnings(factory)).toEqual([])
})

test('stops when it is told to, and an engine that was taken over marks nothing', async () => {
  await using factory = await scriptedFactory()
  await released(factory)
  await expect(mark(factory, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop')
  expect(factory.world.imageMarks.size).toBe(0)
  const lost = new FactoryError({ code: 'fenced', message: 'another engine', class: 'user' })
  const assertCurrent = () => {
    throw lost
  }
  await expect(mark(factory, { journal: { ...factory.journal(), assertCurrent } })).rejects.toBe(lost)
  expect(factory.world.imageMarks.size).toBe(0)
  expect(warnings(factory)).toEqual([])
})
