import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { releaseManifest } from '#src/artifact/release-json.ts'
import { FactoryError } from '#src/errors.ts'
import { resultOf, scriptedFactory } from './scripted.ts'

test('builds, publishes and verifies every architecture, gives everything back and moves the channel', async () => {
  await using factory = await scriptedFactory()
  const result = resultOf(await factory.release())
  expect(result.outcome).toBe('done')
  expect(factory.world.rented).toEqual(new Set())
  expect(result.state.images.map(({ verification }) => verification?.result)).toEqual(Array(4).fill('passed'))
  expect(factory.state().channels.candidate).toBe(result.release)
  expect(factory.state().leases.filter(({ released }) => !released)).toEqual([])
  const manifest = releaseManifest.parse(JSON.parse(readFileSync(result.manifest, 'utf8')))
  expect(Object.keys(manifest.architectures).toSorted()).toEqual(['aarch64', 'ppc64le', 's390x', 'x86_64'])
  expect(manifest.stream).toBe('candidate')
})

test('a second run with the same inputs does nothing and asks no cloud for anything', async () => {
  await using factory = await scriptedFactory()
  const { release } = resultOf(await factory.release())
  factory.world.calls.length = 0
  factory.reopen()
  expect(await factory.release()).toMatchObject({ release, why: expect.stringContaining(release) })
  expect(factory.world.calls).toEqual([])
})

test('one architecture that fails does not stop the others, and the next run fills in only that one', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 's390x', at: 'container', class: 'user', times: 1 })
  const first = resultOf(await factory.release())
  expect(first.outcome).toBe('partial')
  expect(first.state.images.map(({ image }) => image.arch).toSorted()).toEqual([
    'aarch64',
    'ppc64le',
    'x86_64',
  ])
  expect(factory.world.rented).toEqual(new Set())
  expect(factory.state().channels.candidate).toBeUndefined()
  const manifest = releaseManifest.parse(JSON.parse(readFileSync(first.manifest, 'utf8')))
  expect(manifest.architectures.s390x?.['x-factory'].failures).toMatchObject([
    { step: 'container', code: 'scripted-container' },
  ])

  factory.world.calls.length = 0
  factory.reopen()
  const second = resultOf(await factory.release())
  expect(second).toMatchObject({ outcome: 'done', release: first.release })
  const built = factory.world.calls.filter(
    (call) => call.startsWith('container ') || call.startsWith('publish '),
  )
  expect(built).toEqual(['container s390x', 'publish s390x'])
})

test("a user's error is never tried again", async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 'x86_64', at: 'container', class: 'user' })
  await factory.release()
  expect(factory.world.calls.filter((call) => call === 'container x86_64')).toHaveLength(1)
})

test('without capacity in one cloud the next one in the list is asked, and the first gets its lease back', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 'aarch64', at: 'acquire', class: 'capacity', cloud: 'lab', times: 1 })
  const result = resultOf(await factory.release())
  expect(result.outcome).toBe('done')
  const asked = factory.world.calls.filter((call) => call.includes('aarch64 build'))
  expect(asked.map((call) => call.split(' ')[1])).toEqual(['lab', 'spare'])
  const given = factory.world.events.flatMap((event) =>
    event.type === 'step-finished' && event.arch === 'aarch64' && event.step === 'give-back'
      ? [event.summary]
      : [],
  )
  expect(given[0]).toMatch(/^nothing of aarch64-\w+ is rented from lab$/)
  expect(given[1]).toMatch(/^gave aarch64-\w+ back to spare$/)
  expect(factory.state().leases.filter(({ released }) => !released)).toEqual([])
})

test('a build that filled its disk is made once more with twice the space, and only once', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 'x86_64', at: 'disks', class: 'disk-full' })
  const result = resultOf(await factory.release())
  expect(result.outcome).toBe('partial')
  const sizes = factory.world.calls
    .filter((call) => call.startsWith('acquire lab x86_64 build'))
    .map((call) => Number(call.split(' ').at(-1)))
  expect(sizes).toHaveLength(2)
  expect(sizes[1]).toBe((sizes[0] ?? 0) * 2)
  expect(factory.world.rented).toEqual(new Set())
})

test('a publish that fails for a passing reason is tried again without building again', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 's390x', at: 'publish', class: 'infra', times: 2 })
  const result = resultOf(await factory.release())
  expect(result.outcome).toBe('done')
  expect(factory.world.calls.filter((call) => call === 'publish s390x')).toHaveLength(3)
  expect(factory.world.calls.filter((call) => call === 'container s390x')).toHaveLength(1)
})

test('an image that does not boot as itself is published but not promotable, and the manifest says so', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 'ppc64le', at: 'verify', class: 'infra', times: 2 })
  const result = resultOf(await factory.release())
  expect(result.outcome).toBe('partial')
  expect(factory.state().channels.candidate).toBeUndefined()
  const manifest = releaseManifest.parse(JSON.parse(readFileSync(result.manifest, 'utf8')))
  expect(manifest.architectures.ppc64le?.['x-factory'].images[0]?.tested.result).toBe('failed')
  expect(factory.world.rented).toEqual(new Set())
  expect(resultOf(await factory.release()).outcome).toBe('done')
})

test('verify: false is "not verified" in the manifest, never "passed", and rents nothing', async () => {
  await using factory = await scriptedFactory({
    publish: [
      { to: 'lab', architectures: ['x86_64', 'aarch64', 'ppc64le', 's390x'], format: 'raw', verify: false },
    ],
  })
  const result = resultOf(await factory.release())
  expect(result.outcome).toBe('done')
  expect(result.state.images.map(({ verification }) => verification?.result)).toEqual(
    Array(4).fill('not verified'),
  )
  expect(factory.world.calls.filter((call) => call.includes(' verify '))).toEqual([])
})

test('an image that cannot be booted where it is, is published and says why it is not verified', async () => {
  await using factory = await scriptedFactory()
  factory.world.unbootable.add('aarch64')
  const result = resultOf(await factory.release())
  expect(result.outcome).toBe('done')
  const verified = result.state.images.map(({ image, verification }) => [image.arch, verification?.result])
  expect(Object.fromEntries(verified)).toEqual({
    aarch64: 'not verified',
    ppc64le: 'passed',
    s390x: 'passed',
    x86_64: 'passed',
  })
  const { verification } = result.state.images.find(({ image }) => image.arch === 'aarch64')!
  expect(verification?.how).toBe('no subnet in local')
  expect(factory.world.calls.filter((call) => call.endsWith('aarch64 verify 0'))).toEqual([])
})

test('a builder that never answers fails its architecture alone and is given back', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 'x86_64', at: 'open', class: 'infra', times: 2 })
  const result = resultOf(await factory.release())
  expect(result.outcome).toBe('partial')
  expect(result.state.steps.find(({ arch, step }) => arch === 'x86_64' && step === 'prepare')?.state).toBe(
    'failed',
  )
  expect(factory.world.rented).toEqual(new Set())
})

test('a builder that is lost in the middle is replaced by a fresh one, once, and the release is done', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 'x86_64', at: 'disks', class: 'infra', times: 1 })
  const result = resultOf(await factory.release())
  expect(result.outcome).toBe('done')
  expect(factory.world.calls.filter((call) => call.startsWith('acquire lab x86_64 build'))).toHaveLength(2)
  expect(factory.world.events).toContainEqual(
    expect.objectContaining({ type: 'warning', message: expect.stringContaining('on a fresh machine') }),
  )
  expect(factory.world.rented).toEqual(new Set())
})

test('release.json has the cost of every machine that the release had, replaced ones and those of earlier runs', async () => {
  await using factory = await scriptedFactory()
  factory.world.rates.push({ what: 'small', price: { amount: 36, currency: 'USD' } })
  factory.faults.push({ arch: 'x86_64', at: 'disks', class: 'infra', times: 1 })
  factory.faults.push({ arch: 's390x', at: 'container', class: 'user', times: 1 })
  await factory.release()
  factory.reopen()
  factory.world.rates.length = 0
  const result = resultOf(await factory.release())
  const manifest = releaseManifest.parse(JSON.parse(readFileSync(result.manifest, 'utf8')))
  const costOf = (arch: 'x86_64' | 's390x') => manifest.architectures[arch]!['x-factory'].cost!
  const machines = (arch: 'x86_64' | 's390x') =>
    costOf(arch).machines.map(({ purpose, rates }) => `${purpose} ${rates[0]?.what}`)
  expect(machines('x86_64')).toEqual(['build small', 'build small', 'verify small'])
  expect(machines('s390x')).toEqual(['build small', 'build undefined', 'verify undefined'])
  expect(costOf('x86_64').machines.some((machine) => 'still-rented' in machine)).toBe(false)
  expect(costOf('x86_64')['machines-total']).toEqual([{ amount: expect.any(Number), currency: 'USD' }])
  expect(costOf('x86_64')['not-counted']).toEqual(['lab has no prices for images'])
  expect(costOf('s390x')['not-counted']).toContain('lab has no prices for machines')
  const ids = costOf('x86_64').machines.map(({ machine }) => machine)
  expect(new Set(ids).size).toBe(3)
})

test('while a machine is used, its end is moved in the cloud and in the journal', async () => {
  await using factory = await scriptedFactory()
  await factory.release({ architectures: ['x86_64'] })
  const [build] = factory.state().leases
  expect(factory.world.prolonged.get(build!.lease.id)).toBe(build!.expires)
})

test('a cloud with one place has one machine of ours at a time, and what is kept there is told', async () => {
  await using factory = await scriptedFactory()
  factory.maxBuilders.count = 1
  expect(resultOf(await factory.release()).outcome).toBe('done')
  expect(factory.world.mostRented).toBe(1)

  factory.faults.push({ arch: 'x86_64', at: 'disks', class: 'user' })
  await factory.release({ force: true, keepBuilders: true, architectures: ['x86_64'] })
  await factory.release({ force: true, architectures: ['s390x'] })
  const failed = factory.world.events.filter(({ type }) => type === 'warning')
  expect(JSON.stringify(failed)).toContain('no-place-left')
})

test('where each architecture has machines of its own, none takes a place of another, nor stands in its way', async () => {
  await using factory = await scriptedFactory()
  factory.maxBuilders.count = 4
  factory.maxBuilders.of = () => 1
  factory.faults.push({ arch: 'x86_64', at: 'disks', class: 'user', times: 1 })
  await factory.release({ force: true, keepBuilders: true, architectures: ['x86_64'] })
  factory.world.calls.length = 0
  await factory.release({ force: true, architectures: ['x86_64', 's390x'] })
  expect(factory.world.calls.filter((call) => call.startsWith('acquire'))).toEqual([
    expect.stringMatching(/^acquire lab s390x build/),
    expect.stringMatching(/^acquire lab s390x verify/),
  ])
  const told = factory.world.events.filter(({ type }) => type === 'warning')
  expect(JSON.stringify(told)).toMatch(
    /lab may have 1 machines of ours at once, and it has: vm-x86-64-\w+ \(kept\).*or the slots of its hosts/,
  )
})

test('Ctrl-C in the middle gives every builder back and leaves a release that goes on under its own name', async () => {
  await using factory = await scriptedFactory()
  const stop = new AbortController()
  const reason = new FactoryError({ code: 'interrupted', message: 'stopped', class: 'interrupted' })
  const listen = factory.world.events.push.bind(factory.world.events)
  factory.world.events.push = (...events) => {
    const [event] = events
    if (event?.type === 'step-started' && event.step === 'disks') stop.abort(reason)
    return listen(...events)
  }
  const first = resultOf(await factory.release({ signal: stop.signal }))
  expect(first.outcome).toBe('interrupted')
  expect(factory.world.rented).toEqual(new Set())
  factory.world.events.push = listen
  factory.reopen()
  const second = resultOf(await factory.release())
  expect(second).toMatchObject({ outcome: 'done', release: first.release })
})

test('--keep-builders leaves the builder of a failed build rented, and the next run starts with a fresh one', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 's390x', at: 'disks', class: 'user', times: 1 })
  await factory.release({ keepBuilders: true })
  expect(factory.world.rented.size).toBe(1)
  const kept = [...factory.world.rented][0]
  const second = resultOf(await factory.release())
  expect(second.outcome).toBe('done')
  expect(factory.world.rented).toEqual(new Set())
  expect(factory.state().leases.find(({ lease }) => kept?.endsWith(lease.id))?.released).toBe(true)
})

test('--force builds again although nothing changed', async () => {
  await using factory = await scriptedFactory()
  const first = resultOf(await factory.release())
  factory.world.calls.length = 0
  const second = resultOf(await factory.release({ force: true }))
  expect(second.release).not.toBe(first.release)
  expect(factory.world.calls.filter((call) => call.startsWith('container '))).toHaveLength(4)
})

test('a release of one architecture alone moves no channel', async () => {
  await using factory = await scriptedFactory()
  const result = resultOf(await factory.release({ architectures: ['s390x'] }))
  expect(result.outcome).toBe('done')
  expect(factory.state().channels.candidate).toBeUndefined()
  const whole = resultOf(await factory.release())
  expect(whole.outcome).toBe('done')
  expect(factory.world.calls.filter((call) => call === 'container s390x')).toHaveLength(1)
  expect(factory.state().channels.candidate).toBe(whole.release)
})

test('what an earlier release left rented is given back by the next one, but not what was kept on purpose', async () => {
  await using factory = await scriptedFactory()
  const { release } = resultOf(await factory.release())
  const common = { owner: 'lab', release, arch: 'x86_64', expires: '2030-01-01T00:00:00Z' } as const
  for (const id of ['lost', 'kept']) {
    factory.append({
      type: 'lease-taken',
      release,
      cloud: 'lab',
      lease: { ...common, id },
      purpose: 'build',
      dataBytes: 1,
    })
    factory.world.rented.add(`lab/${id}`)
  }
  factory.append({ type: 'lease-kept', release, leaseId: 'kept' })
  await factory.release({ force: true })
  expect(factory.world.rented).toEqual(new Set(['lab/kept']))
})

const pushing = {
  image: {
    name: 'lab',
    push: 'quay.io/a/lab',
    source: {
      kind: 'containerfile' as const,
      containerfile: '/deploy/Containerfile',
      context: '/deploy',
      buildArgs: {},
      secrets: {},
    },
  },
}
const all = ['aarch64', 'ppc64le', 's390x', 'x86_64']

test('the index names every architecture, also those whose build an earlier release made', async () => {
  await using factory = await scriptedFactory(pushing)
  await factory.release({ architectures: ['s390x'] })
  expect(factory.world.indexes.size).toBe(0)
  const whole = resultOf(await factory.release())
  expect(whole.outcome).toBe('done')
  expect(factory.world.indexes.get(whole.release)).toEqual(all)
  expect(factory.world.indexes.get('latest')).toEqual(all)
})

test('a release of one architecture does not make the next whole one do anything again', async () => {
  await using factory = await scriptedFactory()
  const whole = resultOf(await factory.release())
  await factory.release({ architectures: ['s390x'] })
  factory.world.calls.length = 0
  expect(await factory.release()).toMatchObject({ release: whole.release, why: expect.any(String) })
  expect(factory.world.calls).toEqual([])
})

test('another pool is another place: the images go there, without building again', async () => {
  await using factory = await scriptedFactory()
  await factory.release()
  factory.pool.name = 'elsewhere'
  factory.world.calls.length = 0
  factory.world.images.clear()
  expect(resultOf(await factory.release()).outcome).toBe('done')
  expect(factory.world.calls.filter((call) => call.startsWith('publish '))).toHaveLength(4)
  expect(factory.world.calls.filter((call) => call.startsWith('container '))).toHaveLength(0)
})

test('a cloud that does not answer has no machine either: the next one is asked', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 'aarch64', at: 'acquire', class: 'infra', cloud: 'lab', times: 1 })
  expect(resultOf(await factory.release()).outcome).toBe('done')
})

test('a pool without space for a builder is no reason to ask it for twice as much', async () => {
  await using factory = await scriptedFactory()
  factory.faults.push({ arch: 'x86_64', at: 'acquire', class: 'disk-full' })
  await factory.release()
  expect(factory.world.calls.filter((call) => call.startsWith('acquire lab x86_64 build'))).toHaveLength(1)
})

test('what fails outside of any step is told as well', async () => {
  await using factory = await scriptedFactory()
  factory.world.layerBytesFails = true
  const result = resultOf(await factory.release())
  expect(result.outcome).toBe('failed')
  const warnings = factory.world.events.filter((event) => event.type === 'warning')
  expect(warnings.map(({ message }) => message)).toEqual(
    Array(4).fill(expect.stringContaining('scripted-layers')),
  )
})

test('a machine is given back even when nothing can be written any more', async () => {
  await using factory = await scriptedFactory()
  factory.world.onCall = (call) => {
    if (call === 'container x86_64') rmSync(join(factory.stateDirectory, 'releases'), { recursive: true })
    if (call === 'container x86_64')
      writeFileSync(join(factory.stateDirectory, 'releases'), 'no directory any more')
  }
  await factory.release({ architectures: ['x86_64'] }).catch(() => undefined)
  expect(factory.world.calls).toContain('container x86_64')
  expect(factory.world.rented).toEqual(new Set())
})
