import { readFile, stat } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { releaseManifest } from '#src/artifact/release-json.ts'
import { ignore, pin, promote, rollBack } from '#src/release/choose.ts'
import { listImages } from '#src/release/images.ts'
import { streamFile, writeStreams } from '#src/release/streams.ts'
import { resultOf, scriptedFactory } from './scripted.ts'

type Factory = Awaited<ReturnType<typeof scriptedFactory>>

const by = 'somebody@here'
const chooser = (factory: Factory) => ({ journal: factory.journal(), require: factory.settings.require })

/** Complete releases, oldest first. */
async function releases(factory: Factory, count: number): Promise<string[]> {
  const names: string[] = []
  for (let made = 0; made < count; made += 1)
    names.push(resultOf(await factory.release({ force: true })).release)
  return names
}

const stateOf = (factory: Factory, release: string) =>
  new Set(
    listImages(factory.state(), factory.settings.require)
      .filter((image) => image.release === release)
      .map(({ state }) => state),
  )

describe('promoting', () => {
  test('moves the channel, keeps what was before, and goes back to it and forth', async () => {
    await using factory = await scriptedFactory()
    const [one, two] = (await releases(factory, 2)) as [string, string]
    expect(promote(chooser(factory), one, { by })).toBe(true)
    expect(stateOf(factory, one)).toEqual(new Set(['promoted']))
    promote(chooser(factory), two, { by, why: 'tested for a week' })
    expect(factory.state().channels).toMatchObject({
      candidate: two,
      promoted: { release: two, by, why: 'tested for a week' },
      previous: { release: one, by },
    })
    expect(rollBack(chooser(factory), { by, why: 'it does not build kernels' })).toBe(one)
    expect(factory.state().channels).toMatchObject({ promoted: { release: one }, previous: { release: two } })
    expect(rollBack(chooser(factory), { by })).toBe(two)
    factory.reopen()
    expect(factory.state().channels).toMatchObject({ promoted: { release: two }, previous: { release: one } })
  })

  test('of what is promoted already changes nothing, so that previous is not lost', async () => {
    await using factory = await scriptedFactory()
    const [one, two] = (await releases(factory, 2)) as [string, string]
    promote(chooser(factory), one, { by })
    promote(chooser(factory), two, { by })
    expect(promote(chooser(factory), two, { by })).toBe(false)
    expect(factory.state().channels.previous?.release).toBe(one)
  })

  test('refuses what is incomplete, says what is missing, and takes it with force and a reason', async () => {
    await using factory = await scriptedFactory()
    factory.faults.push({ arch: 's390x', at: 'container', class: 'user' })
    const { release } = resultOf(await factory.release())
    expect(() => promote(chooser(factory), release, { by })).toThrow(
      expect.objectContaining({
        code: 'release-not-promotable',
        message: `${release} is not promoted: it is not complete: s390x is missing`,
      }),
    )
    expect(() => promote(chooser(factory), release, { by, force: true })).toThrow(
      expect.objectContaining({ code: 'reason-missing' }),
    )
    promote(chooser(factory), release, { by, force: true, why: 'Z is switched off' })
    expect(factory.state().channels.promoted).toMatchObject({
      release,
      forced: true,
      why: 'Z is switched off',
    })
  })

  test('refuses what nobody has booted', async () => {
    await using factory = await scriptedFactory({
      publish: [{ to: 'lab', architectures: ['x86_64'], format: 'raw', verify: false }],
      architectures: ['x86_64'],
    })
    const { release } = resultOf(await factory.release())
    expect(() => promote(chooser(factory), release, { by })).toThrow(/not verified: x86_64 in lab\/local/)
  })

  test('of what does not exist or is not finished is refused whatever is said', async () => {
    await using factory = await scriptedFactory()
    const [one] = (await releases(factory, 1)) as [string]
    const force = { by, force: true, why: 'because' }
    expect(() => promote(chooser(factory), '19990101.0', force)).toThrow(
      expect.objectContaining({ code: 'release-unknown', hint: `The last ones are: ${one}` }),
    )
    factory.append({ type: 'release-resumed', release: one })
    expect(() => promote(chooser(factory), one, force)).toThrow(
      expect.objectContaining({ code: 'release-open' }),
    )
  })

  test('cannot be undone where nothing was before', async () => {
    await using factory = await scriptedFactory()
    const [one] = (await releases(factory, 1)) as [string]
    expect(() => rollBack(chooser(factory), { by })).toThrow(/nothing has been promoted yet/)
    promote(chooser(factory), one, { by })
    expect(() => rollBack(chooser(factory), { by })).toThrow(`nothing was promoted before ${one}`)
  })
})

describe('ignoring', () => {
  test('makes the newest other one the candidate, and promoting it in spite of that takes it back', async () => {
    await using factory = await scriptedFactory()
    const [one, two] = (await releases(factory, 2)) as [string, string]
    ignore(chooser(factory), two, { by, why: 'broken ssh' })
    expect(factory.state().channels.candidate).toBe(one)
    expect(stateOf(factory, two)).toEqual(new Set(['ignored']))
    expect(() => promote(chooser(factory), two, { by })).toThrow(/it is ignored \("broken ssh"\)/)
    promote(chooser(factory), two, { by, force: true, why: 'it was the network' })
    expect(stateOf(factory, two)).toEqual(new Set(['promoted']))
  })

  test('of what was promoted before means that going back does not lead there', async () => {
    await using factory = await scriptedFactory()
    const [one, two] = (await releases(factory, 2)) as [string, string]
    promote(chooser(factory), one, { by })
    promote(chooser(factory), two, { by })
    ignore(chooser(factory), one, { by, why: 'broken ssh' })
    expect(() => rollBack(chooser(factory), { by })).toThrow(
      `${one} is not promoted: it is ignored ("broken ssh")`,
    )
    expect(factory.state().channels.promoted?.release).toBe(two)
  })

  test('of a release that was not complete stands when a later run completes it', async () => {
    await using factory = await scriptedFactory()
    factory.faults.push({ arch: 's390x', at: 'container', class: 'user', times: 1 })
    const { release } = resultOf(await factory.release())
    ignore(chooser(factory), release, { by, why: 'no' })
    expect(resultOf(await factory.release())).toMatchObject({ release, outcome: 'done' })
    expect(factory.state().channels.candidate).toBeUndefined()
    expect(stateOf(factory, release)).toEqual(new Set(['ignored']))
  })

  test('of the only release leaves no candidate', async () => {
    await using factory = await scriptedFactory()
    const [one] = (await releases(factory, 1)) as [string]
    ignore(chooser(factory), one, { by, why: 'no' })
    expect(factory.state().channels.candidate).toBeUndefined()
  })

  test('needs a reason, and never what is in use', async () => {
    await using factory = await scriptedFactory()
    const [one, two] = (await releases(factory, 2)) as [string, string]
    expect(() => ignore(chooser(factory), one, { by })).toThrow(
      expect.objectContaining({
        code: 'reason-missing',
        hint: expect.stringContaining(`factory ignore ${one} --why`),
      }),
    )
    promote(chooser(factory), two, { by })
    expect(() => ignore(chooser(factory), two, { by, why: 'no' })).toThrow(
      expect.objectContaining({ code: 'release-promoted' }),
    )
  })
})

test('a pin stands until it is taken back', async () => {
  await using factory = await scriptedFactory()
  const [one] = (await releases(factory, 1)) as [string]
  pin(chooser(factory), one, { by, pinned: true, why: 'for the auditors' })
  expect(listImages(factory.state(), 'all')[0]).toMatchObject({ pinned: true })
  pin(chooser(factory), one, { by, pinned: false })
  expect(listImages(factory.state(), 'all')[0]).toMatchObject({ pinned: false })
})

describe('the stream metadata of a channel', () => {
  const read = async (factory: Factory, channel: 'candidate' | 'promoted' | 'previous') =>
    releaseManifest.parse(JSON.parse(await readFile(streamFile(factory.stateDirectory, channel), 'utf8')))
  const write = async (factory: Factory) =>
    await writeStreams(factory.stateDirectory, factory.state(), factory.settings.require)

  test('is there for the candidate as soon as its release is', async () => {
    await using factory = await scriptedFactory()
    const [, two] = (await releases(factory, 2)) as [string, string]
    const { stream, architectures } = await read(factory, 'candidate')
    expect(stream).toBe('candidate')
    expect(architectures.s390x?.artifacts['metal']?.release).toBe(two)
    await expect(stat(streamFile(factory.stateDirectory, 'promoted'))).rejects.toThrow('ENOENT')
  })

  test('follows what is promoted, with the states that images have now', async () => {
    await using factory = await scriptedFactory()
    const [one, two] = (await releases(factory, 2)) as [string, string]
    promote(chooser(factory), one, { by })
    promote(chooser(factory), two, { by })
    expect(await write(factory)).toEqual([])
    const promoted = await read(factory, 'promoted')
    expect(promoted.stream).toBe('promoted')
    expect(promoted.architectures.x86_64?.artifacts['metal']?.release).toBe(two)
    expect(promoted.architectures.x86_64?.['x-factory'].images).toMatchObject([{ state: 'promoted' }])
    const previous = await read(factory, 'previous')
    expect(previous.architectures.x86_64?.artifacts['metal']?.release).toBe(one)
    expect(previous.architectures.x86_64?.['x-factory'].images).toMatchObject([{ state: 'previous' }])
    rollBack(chooser(factory), { by })
    await write(factory)
    expect((await read(factory, 'promoted')).architectures.x86_64?.artifacts['metal']?.release).toBe(one)
  })

  test('is put right when somebody changed it, and not touched when it is right', async () => {
    await using factory = await scriptedFactory()
    await releases(factory, 1)
    const file = streamFile(factory.stateDirectory, 'candidate')
    const { mtimeMs, ino } = await stat(file)
    await write(factory)
    expect(await stat(file)).toMatchObject({ mtimeMs, ino })
    const right = await readFile(file, 'utf8')
    const { writeFile } = await import('node:fs/promises')
    await writeFile(file, '{}')
    await write(factory)
    expect(await readFile(file, 'utf8')).toBe(right)
  })
})
