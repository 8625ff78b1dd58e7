import { expect, test } from 'vitest'
import { architectureNames } from '#arch/index.ts'
import { markImages } from '#src/release/mark-images.ts'
import { configuration } from './planning.ts'
import { resultOf, scriptedFactory } from './scripted.ts'

const withIndex = { image: { ...configuration().image, push: 'registry.example/lab' } }

type Factory = Awaited<ReturnType<typeof scriptedFactory>>

/** What was built and sent, in order. */
function made({ world }: Factory): string[] {
  return world.calls.filter((call) => /^(container|disks|publish) /.test(call)).toSorted()
}

/** From here on only new calls are looked at. */
async function loseEverything(factory: Factory): Promise<void> {
  await factory.lose()
  factory.world.calls.length = 0
  factory.world.indexes.clear()
}

test('a lost state directory is rebuilt from the clouds: one release, its images, not verified', async () => {
  await using factory = await scriptedFactory()
  const { release, state } = resultOf(await factory.release())
  const names = state.images.map(({ image }) => image.name).toSorted()
  await loseEverything(factory)
  const adopted = await factory.adopt()
  expect(adopted).toMatchObject({ releases: [{ release }], machines: [], skipped: [], failures: [] })
  expect(adopted.releases[0]?.images.toSorted()).toEqual(names)
  const [known] = factory.state().releases
  expect(known).toMatchObject({ release, key: state.key, outcome: 'partial', imageName: 'lab' })
  expect(known?.images.map(({ verification }) => verification)).toEqual(Array(4).fill(undefined))
  expect(factory.state().channels.candidate).toBeUndefined()
})

test('the next release builds and publishes nothing, boots each image once, writes the index and moves the channel', async () => {
  await using factory = await scriptedFactory(withIndex)
  const first = resultOf(await factory.release())
  await loseEverything(factory)
  await factory.adopt()
  const second = resultOf(await factory.release())
  expect(second).toMatchObject({ release: first.release, outcome: 'done' })
  expect(made(factory)).toEqual([])
  const rented = factory.world.calls.filter((call) => call.startsWith('acquire '))
  expect(rented.map((call) => call.split(' ').slice(2, 4).join(' ')).toSorted()).toEqual(
    architectureNames.map((arch) => `${arch} verify`).toSorted(),
  )
  expect(second.state.images.map(({ verification }) => verification?.result)).toEqual(Array(4).fill('passed'))
  expect(factory.state().channels.candidate).toBe(first.release)
  expect(factory.world.indexes.get(first.release)).toEqual(architectureNames.toSorted())
  expect(factory.world.rented).toEqual(new Set())

  factory.world.calls.length = 0
  factory.reopen()
  expect(await factory.release()).toMatchObject({ release: first.release, why: expect.any(String) })
  expect(factory.world.calls).toEqual([])
})

test('what was promoted, and before it, and ignored is so again: its images bear the mark', async () => {
  await using factory = await scriptedFactory()
  const names: string[] = []
  for (let count = 0; count < 4; count += 1)
    names.push(resultOf(await factory.release({ force: true })).release)
  const [previous, promoted, ignored, candidate] = names as [string, string, string, string]
  factory.append({ type: 'channel-moved', channel: 'promoted', release: previous })
  factory.append({ type: 'channel-moved', channel: 'promoted', release: promoted })
  factory.append({ type: 'release-ignored', release: ignored, why: 'no sshd' })
  const marking = async () => {
    const { settings, clouds } = factory
    const parts = { journal: factory.journal(), configuration: settings, clouds, now: Date.now }
    const { signal } = new AbortController()
    await markImages({ ...parts, signal, listener: () => {} }, {})
  }
  await marking()
  await loseEverything(factory)
  await factory.adopt()
  const { channels, releases } = factory.state()
  expect(channels).toMatchObject({
    promoted: { release: promoted },
    previous: { release: previous },
    candidate,
  })
  expect(releases.filter((one) => one.ignored).map(({ release }) => release)).toEqual([ignored])
  await marking()
  expect(factory.world.imageMarks.get(`lab ${releases[1]!.images[0]!.image.id}`)).toBe('promoted')
  const before = factory.journal().read().length
  await factory.adopt()
  expect(factory.journal().read()).toHaveLength(before)
})

test('adopting twice changes nothing, also after a release', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 's390x', at: 'container', class: 'user', times: 1 })
  await factory.release({ keepBuilders: true })
  await loseEverything(factory)
  expect((await factory.adopt()).machines).toHaveLength(1)
  const nothing = { releases: [], machines: [], skipped: [], failures: [] }
  for (const between of [() => undefined, () => factory.release()]) {
    await between()
    const before = factory.journal().read()
    expect(await factory.adopt()).toEqual(nothing)
    expect(factory.journal().read()).toEqual(before)
  }
})

test('a builder that was found is given back, and its build is made on a fresh one', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 'x86_64', at: 'container', class: 'user', times: 1 })
  await factory.release({ keepBuilders: true })
  const [kept] = factory.world.rented
  await loseEverything(factory)
  expect(await factory.adopt()).toMatchObject({
    machines: [{ cloud: 'lab', id: `vm-${kept?.split('/')[1]}` }],
  })
  expect(resultOf(await factory.release()).outcome).toBe('done')
  expect(made(factory)).toEqual(['container x86_64', 'disks x86_64', 'publish x86_64'])
  expect(factory.world.rented).toEqual(new Set())
  expect(factory.state().leases.filter(({ released }) => !released)).toEqual([])
})

test('a machine that was found does not keep the place that the boot checks wait for', async () => {
  await using factory = await scriptedFactory()
  const { release } = resultOf(await factory.release())
  const lease = { leaseId: 'old', owner: 'lab', release, arch: 'x86_64', expires: '2999-01-01T00:00:00Z' }
  factory.world.rented.add('lab/old')
  factory.world.marks.set('lab/old', { kind: 'machine', id: 'vm-old', region: 'local', ...lease })
  await loseEverything(factory)
  factory.maxBuilders.count = 1
  expect((await factory.adopt()).machines).toEqual([{ cloud: 'lab', id: 'vm-old', leaseId: 'old' }])
  expect(resultOf(await factory.release()).outcome).toBe('done')
  expect(factory.world.calls.find((call) => /^(acquire|release) /.test(call))).toBe('release lab')
  expect(factory.world.rented).toEqual(new Set())
})

test('what no cloud has any more is made again, under the same name, and the channel moves', async () => {
  await using factory = await scriptedFactory(withIndex)
  const first = resultOf(await factory.release())
  for (const [key, { arch }] of factory.world.images) if (arch === 'aarch64') factory.world.images.delete(key)
  await loseEverything(factory)
  await factory.adopt()
  const second = resultOf(await factory.release())
  expect(second).toMatchObject({ release: first.release, outcome: 'done' })
  expect(made(factory)).toEqual(['container aarch64', 'disks aarch64', 'publish aarch64'])
  expect(factory.state().channels.candidate).toBe(first.release)
  expect(factory.world.indexes.get(first.release)).toEqual(architectureNames.toSorted())
})

test('the newest release is gone on with, also one that --force made of the same inputs', async () => {
  await using factory = await scriptedFactory()
  const older = resultOf(await factory.release())
  const newer = resultOf(await factory.release({ force: true }))
  expect(newer.release).not.toBe(older.release)
  await loseEverything(factory)
  const adopted = await factory.adopt()
  expect(adopted.releases.map(({ release }) => release)).toEqual([older.release, newer.release])
  expect(resultOf(await factory.release())).toMatchObject({ release: newer.release, outcome: 'done' })
  expect(made(factory)).toEqual([])
  expect(factory.state().channels.candidate).toBe(newer.release)
  expect(await factory.release()).toMatchObject({ release: newer.release, why: expect.any(String) })
})

test('the tenth release of a day is newer than the ninth', async () => {
  await using factory = await scriptedFactory()
  const day = '20261121'
  resultOf(await factory.release())
  const images = [...factory.world.images.values()]
  factory.world.images.clear()
  for (const image of images) {
    for (const number of [10, 9]) {
      const release = `${day}.${number}`
      const id = `${image.name}-${number}`
      factory.world.images.set(id, { ...image, id, name: id, release })
    }
  }
  await loseEverything(factory)
  const { releases } = await factory.adopt()
  expect(releases.map(({ release }) => release)).toEqual([`${day}.9`, `${day}.10`])
})

test('a cloud that was out of reach is told, and the next time its images join the release', async () => {
  const publish = ['lab', 'spare'].map((to) => ({
    to,
    architectures: architectureNames.filter((arch) => (arch === 's390x') === (to === 'spare')),
    format: 'raw' as const,
    verify: true,
  }))
  await using factory = await scriptedFactory({ publish })
  const first = resultOf(await factory.release())
  await loseEverything(factory)
  const images = factory.clouds.get('spare')!.images!
  const { list } = images
  // oxlint-disable-next-line require-yield
  images.list = async function* () {
    throw new Error('no route to spare')
  }
  const before = await factory.adopt()
  expect(before.releases[0]?.images).toHaveLength(3)
  expect(before.skipped).toEqual([])
  expect(before.failures).toEqual([
    {
      cloud: 'spare',
      error: expect.objectContaining({
        message: expect.stringContaining('no route'),
        hint: expect.any(String),
      }),
    },
  ])
  images.list = list
  expect(await factory.adopt()).toMatchObject({
    releases: [{ release: first.release, images: [expect.stringContaining('s390x')] }],
    skipped: [],
    failures: [],
  })
  expect(resultOf(await factory.release())).toMatchObject({ release: first.release, outcome: 'done' })
  expect(made(factory)).toEqual([])
})

test('what does not say what it is of is told and left out, and of others nothing is taken', async () => {
  await using factory = await scriptedFactory()
  resultOf(await factory.release({ architectures: ['s390x'] }))
  const [key, image] = [...factory.world.images][0]!
  const { origin: _origin, ...bare } = image
  factory.world.images.set('plain', { ...bare, id: 'plain', name: 'plain' })
  const pool = factory.clouds.get('lab')!.builders!
  const theirs = { kind: 'machine', id: 'theirs', region: 'local', owner: 'somebody', leaseId: 'a' } as const
  pool.find = async function* () {
    yield { ...theirs, release: '20261121.0', arch: 's390x', expires: '2026-11-21T04:00:00Z' }
    yield { kind: 'machine', id: 'bare', region: 'local', owner: 'lab' }
    yield { kind: 'disk', id: 'disk', region: 'local', owner: 'lab' }
  }
  await loseEverything(factory)
  const adopted = await factory.adopt()
  expect(adopted.releases).toEqual([
    { release: image.release, images: [factory.world.images.get(key)?.name] },
  ])
  expect(adopted.machines).toEqual([])
  expect(adopted.skipped).toEqual([
    expect.stringMatching(/^lab plain: /),
    expect.stringMatching(/^lab bare: /),
  ])
  expect(factory.state().leases).toEqual([])
})
