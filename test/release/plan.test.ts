import { describe, expect, it } from 'vitest'
import { architectureNames } from '#arch/index.ts'
import type { InputFacts } from '#src/release/input-facts.ts'
import { plan } from '#src/release/plan.ts'
import { cloud, collectedFrom, configuration, digest, inputs, options, releaseOf } from './planning.ts'

const first = plan(configuration(), inputs(), undefined, options())
const tool = { reference: 'quay.io/a/bib:1', digest: digest('b') }

describe('a plan', () => {
  it('builds everything for the first release', () => {
    expect(first.builds.map(({ arch, needed, why }) => [arch, needed, why])).toEqual(
      architectureNames.map((arch) => [arch, true, 'first release']),
    )
    expect(first.unpublished).toEqual(first.destinations)
    expect(first.destinations).toHaveLength(4)
    expect(first.nothingChanged).toBeUndefined()
  })

  it('does nothing when nothing changed, and says why', () => {
    const collected = collectedFrom(first)
    const again = plan(configuration(), inputs(), releaseOf(first), options({ collected }))
    expect(again.key).toBe(first.key)
    expect(again.nothingChanged).toEqual({
      release: '20261121.0',
      why: 'every input is the one that release 20261121.0 was made of, and its 4 images are published',
    })
    expect(again.machines).toEqual([])
    expect(again.builds.map(({ needed }) => needed)).toEqual([false, false, false, false])
  })

  it('wants no artifact back that was cleaned away, as long as everything is published', () => {
    const again = plan(configuration(), inputs(), releaseOf(first), options())
    expect(again.nothingChanged).toBeDefined()
    expect(again.builds[0]).toMatchObject({
      needed: false,
      why: 'nothing that goes into it changed, and it is published',
    })
  })

  it('fills in only what is missing after a failure', () => {
    const last = releaseOf(first, ['s390x'])
    const again = plan(
      configuration(),
      inputs(),
      last,
      options({ collected: collectedFrom(first, ['s390x']) }),
    )
    expect(again.key).toBe(first.key)
    expect(again.nothingChanged).toBeUndefined()
    expect(again.builds.filter(({ needed }) => needed)).toMatchObject([
      { arch: 's390x', why: 'the last release of these inputs (20261121.0) failed on s390x' },
    ])
    expect(again.unpublished.map(({ arch }) => arch)).toEqual(['s390x'])
    expect(again.machines.map(({ arch, purpose }) => `${purpose} ${arch}`)).toEqual([
      'build s390x',
      'verify s390x',
    ])
  })

  it('goes on with a release that was cut off', () => {
    const last = { ...releaseOf(first), finished: false, images: [] }
    const again = plan(configuration(), inputs(), last, options())
    expect(again.key).toBe(first.key)
    expect(again.builds[0]?.why).toBe('release 20261121.0 did not finish x86_64')
  })

  it('boots an image again that has not passed', () => {
    const last = releaseOf(first)
    const images = last.images.map((image) =>
      image.arch === 'aarch64' ? { ...image, verified: 'failed' as const } : image,
    )
    const collected = collectedFrom(first)
    const again = plan(configuration(), inputs(), { ...last, images }, options({ collected }))
    expect(again.unpublished.map(({ arch }) => arch)).toEqual(['aarch64'])
    expect(again.builds.every(({ needed }) => !needed)).toBe(true)
    expect(again.machines).toMatchObject([{ purpose: 'verify', arch: 'aarch64' }])
  })

  it('rebuilds nothing when a destination is added', () => {
    const publish = [
      ...configuration().publish,
      { to: 'spare', architectures: ['x86_64' as const], format: 'raw' as const, verify: false },
    ]
    const collected = collectedFrom(first)
    const more = plan(configuration({ publish }), inputs(), releaseOf(first), options({ collected }))
    expect(more.key).not.toBe(first.key)
    expect(more.builds.map(({ buildKey }) => buildKey)).toEqual(first.builds.map(({ buildKey }) => buildKey))
    expect(more.builds[0]).toMatchObject({
      needed: false,
      why: 'already built by release 20261121.0, from the same inputs',
    })
    expect(more.nothingChanged).toBeUndefined()
  })

  it('builds only the architecture whose disk builder moved', () => {
    const diskBuilders = { ...inputs().facts.diskBuilders, s390x: { ...tool, digest: digest('e') } }
    const collected = collectedFrom(first)
    const next = plan(configuration(), inputs({ diskBuilders }), releaseOf(first), options({ collected }))
    expect(next.builds.filter(({ needed }) => needed)).toMatchObject([
      {
        arch: 's390x',
        why: 'disk builder quay.io/a/bib:1 moved from sha256:bbbbbbbbbbbb… to sha256:eeeeeeeeeeee…',
      },
    ])
  })

  it('says that an architecture is new', () => {
    const three = configuration({ architectures: ['x86_64', 'ppc64le', 's390x'] })
    const last = releaseOf(plan(three, inputs(), undefined, options()))
    const next = plan(
      configuration(),
      inputs(),
      last,
      options({ collected: collectedFrom(first, ['aarch64']) }),
    )
    expect(next.builds.find(({ arch }) => arch === 'aarch64')).toMatchObject({
      needed: true,
      why: 'aarch64 was not in release 20261121.0',
    })
  })

  it('is limited to what is asked for', () => {
    const publish = [
      {
        to: 'lab',
        architectures: ['x86_64' as const, 'aarch64' as const],
        format: 'raw' as const,
        verify: true,
      },
      { to: 'spare', architectures: ['s390x' as const], format: 'raw' as const, verify: true },
    ]
    const chosen = (selection: object) => {
      const { builds, destinations } = plan(
        configuration({ publish }),
        inputs(),
        undefined,
        options(selection),
      )
      return [builds.map(({ arch }) => arch), destinations.map(({ cloud: to, arch }) => `${to} ${arch}`)]
    }
    expect(chosen({ architectures: ['x86_64'] })).toEqual([['x86_64'], ['lab x86_64']])
    expect(chosen({ to: ['spare'] })).toEqual([['s390x'], ['spare s390x']])
    expect(chosen({})).toEqual([[...architectureNames], ['lab x86_64', 'lab aarch64', 'spare s390x']])
  })

  it('goes to every region of a cloud', () => {
    const clouds = new Map([...options().clouds, ['lab', cloud('host1', 'host2')]])
    const one = configuration({ architectures: ['x86_64'] })
    const { destinations } = plan(one, inputs(), undefined, options({ clouds }))
    expect(destinations).toEqual([
      { cloud: 'lab', region: 'host1', arch: 'x86_64', format: 'raw', verify: true },
      { cloud: 'lab', region: 'host2', arch: 'x86_64', format: 'raw', verify: true },
    ])
  })

  it('says what it costs in machines', () => {
    expect(first.machines.map(({ arch, purpose, cost }) => `${arch} ${purpose}: ${cost}`)).toEqual([
      'x86_64 build: 1 VM from lab, up to 7 h 20 min, and once more if it is lost',
      'aarch64 build: 1 VM from lab (else spare), up to 7 h 20 min, and once more if it is lost',
      'ppc64le build: 1 VM from spare (else lab), up to 7 h 20 min, and once more if it is lost',
      's390x build: 1 VM from lab, up to 7 h 20 min, and once more if it is lost',
      'x86_64 verify: 1 VM from lab/host1 to boot the image, up to 10 min 00 s, and once more if it is lost',
      'aarch64 verify: 1 VM from lab/host1 to boot the image, up to 10 min 00 s, and once more if it is lost',
      'ppc64le verify: 1 VM from lab/host1 to boot the image, up to 10 min 00 s, and once more if it is lost',
      's390x verify: 1 VM from lab/host1 to boot the image, up to 10 min 00 s, and once more if it is lost',
    ])
  })
})

describe('--force', () => {
  const force = true
  const collected = collectedFrom(first)
  const forced = plan(configuration(), inputs(), releaseOf(first), options({ force, collected }))

  it('builds although nothing changed', () => {
    expect(forced.key).not.toBe(first.key)
    expect(forced.nothingChanged).toBeUndefined()
    expect(forced.builds.map(({ needed, why }) => [needed, why])).toEqual(
      architectureNames.map(() => [true, 'forced']),
    )
  })

  it('goes on with its own release when it was cut off, forced again or not', () => {
    const cutOff = { ...releaseOf(forced, ['s390x']), release: '20261121.1' }
    for (const again of [true, false]) {
      const resumed = plan(configuration(), inputs(), cutOff, options({ force: again, collected }))
      expect(resumed.key).toBe(forced.key)
      expect(resumed.builds.filter(({ needed }) => needed).map(({ arch }) => arch)).toEqual(['s390x'])
    }
  })

  it('leaves nothing to do for the run after it, and something for the next --force', () => {
    const last = { ...releaseOf(forced), release: '20261121.1' }
    const later = options({ collected: collectedFrom(forced) })
    expect(plan(configuration(), inputs(), last, later).nothingChanged).toMatchObject({
      release: '20261121.1',
    })
    const twice = plan(configuration(), inputs(), last, { ...later, force })
    expect([first.key, forced.key]).not.toContain(twice.key)
    expect(twice.builds[0]?.why).toBe('forced')
  })
})

describe('the keys', () => {
  const variations: [why: string, change: Partial<InputFacts>][] = [
    ['the Containerfile changed', { containerfile: 'f'.repeat(64) }],
    [
      'the build context changed (4 files, 3 KiB, was 3 files, 2 KiB)',
      { context: { digest: 'f'.repeat(64), files: 4, bytes: 3072 } },
    ],
    [
      'base image quay.io/a/base:1 moved from sha256:aaaaaaaaaaaa… to sha256:ffffffffffff…',
      { bases: [{ reference: 'quay.io/a/base:1', digest: digest('f') }] },
    ],
    [
      'base image quay.io/a/other:1 is new',
      { bases: [...inputs().facts.bases, { reference: 'quay.io/a/other:1', digest: digest('f') }] },
    ],
    ['base image quay.io/a/base:1 is no longer used', { bases: [] }],
    ['build argument V changed from 1 to 2', { buildArgs: { V: '2' } }],
    ['build argument W is x now', { buildArgs: { V: '1', W: 'x' } }],
    ['build argument V is no longer 1', { buildArgs: {} }],
    ['secret other is new', { secrets: ['token', 'other'] }],
    ['secret token is no longer given', { secrets: [] }],
    ['the image name changed from lab to other', { image: 'other' }],
    ['image.push is quay.io/a/lab now', { push: 'quay.io/a/lab' }],
    ['the root file system changed from xfs to ext4', { rootfs: 'ext4' }],
    ['the disk size is 20 GiB now', { sizeBytes: 20 * 1024 ** 3 }],
    ['the config.toml of the disk builder changed', { diskConfig: 'f'.repeat(64) }],
    ['the disk format changed from raw to qcow2', { formats: { x86_64: ['qcow2'] } }],
    [
      'disk builder quay.io/a/bib:1 moved from sha256:bbbbbbbbbbbb… to sha256:ffffffffffff…',
      { diskBuilders: { x86_64: { ...tool, digest: digest('f') } } },
    ],
    ['image quay.io/a/done:1 is new', { existing: { reference: 'quay.io/a/done:1', digest: digest('f') } }],
  ]

  it.each(variations)('change when an input does: %s', (why, change) => {
    const collected = collectedFrom(first)
    const next = plan(configuration(), inputs(change), releaseOf(first), options({ collected }))
    expect(next.key).not.toBe(first.key)
    expect(next.builds[0]).toMatchObject({ arch: 'x86_64', needed: true, why })
    expect(first.builds.map(({ buildKey }) => buildKey)).not.toContain(next.builds[0]?.buildKey)
  })

  it('are all different, for every input and every architecture', () => {
    const plans = variations.map(([, change]) => plan(configuration(), inputs(change), undefined, options()))
    const all = [first, ...plans]
    expect(new Set(all.map(({ key }) => key)).size).toBe(all.length)
    expect(new Set(first.builds.map(({ buildKey }) => buildKey)).size).toBe(4)
  })

  it('name every change when there are several', () => {
    const change = { buildArgs: { V: '2' }, rootfs: 'btrfs' }
    const next = plan(configuration(), inputs(change), releaseOf(first), options())
    expect(next.builds[0]?.why).toBe(
      'build argument V changed from 1 to 2; the root file system changed from xfs to btrfs',
    )
  })

  it('depend on no order', () => {
    const shuffle = <T extends object>(value: T): T =>
      Object.fromEntries(Object.entries(value).toReversed()) as T
    const facts = inputs({ buildArgs: { A: '1', B: '2' }, secrets: ['a', 'b'] }).facts
    const mixed = {
      ...shuffle(facts),
      buildArgs: shuffle(facts.buildArgs),
      secrets: ['b', 'a'],
      diskBuilders: shuffle(facts.diskBuilders),
    }
    const keyOf = (change: InputFacts) => plan(configuration(), inputs(change), undefined, options()).key
    expect(keyOf(mixed)).toBe(keyOf(facts))
  })

  it('depend on nothing that only says where things come from', () => {
    const git = { commit: 'f'.repeat(40), dirty: true }
    const from = plan(
      configuration({ file: '/elsewhere/x.yaml' }),
      { ...inputs(), git },
      undefined,
      options(),
    )
    expect(from.key).toBe(first.key)
  })
})

describe('a plan that cannot work', () => {
  const failure = (...input: Parameters<typeof plan>): unknown => {
    try {
      return plan(...input)
    } catch (error) {
      return error
    }
  }

  it('is refused before anything is built, with every reason', () => {
    const publish = [
      {
        to: 'lab',
        architectures: ['x86_64' as const, 's390x' as const],
        format: 'qcow2' as const,
        verify: true,
      },
      { to: 'bare', architectures: ['aarch64' as const], format: 'raw' as const, verify: true },
    ]
    const clouds = new Map([
      ['lab', cloud('host1')],
      ['spare', {}],
      ['bare', {}],
    ])
    const makes = (arch: string, format: string) => !(arch === 'x86_64' && format === 'qcow2')
    expect(
      failure(configuration({ publish }), inputs(), undefined, options({ clouds, makes })),
    ).toMatchObject({
      code: 'plan-impossible',
      class: 'user',
      message: `4 problems in factory.yaml:
  factory.yaml:3:1: the disk builder makes no qcow2 images for x86_64
  factory.yaml:3:1: lab takes no qcow2 image for s390x: raw only
  factory.yaml:3:1: the cloud bare cannot hold images
  factory.yaml:3:1: nobody rents ppc64le builders: spare: it rents no machines; lab: no base disk`,
    })
  })

  it('is only refused for what was asked', () => {
    const clouds = new Map([
      ['lab', cloud('host1')],
      ['spare', cloud()],
    ])
    const only = options({ clouds, architectures: ['x86_64'] })
    expect(plan(configuration(), inputs(), undefined, only).builds).toHaveLength(1)
    expect(failure(configuration(), inputs(), undefined, options({ clouds }))).toMatchObject({
      code: 'builder-not-offered',
      hint: 'Give it one.',
    })
  })

  it('is refused when an architecture or a destination is not configured', () => {
    const three = configuration({ architectures: ['x86_64', 'aarch64', 'ppc64le'] })
    expect(failure(three, inputs(), undefined, options({ architectures: ['s390x'] }))).toMatchObject({
      code: 'architecture-not-configured',
      message: 's390x is not built by this configuration; built are: x86_64, aarch64, ppc64le',
    })
    expect(failure(three, inputs(), undefined, options({ to: ['lba'] }))).toMatchObject({
      code: 'destination-not-configured',
      message: 'nothing is published to lba; did you mean "lab"?',
    })
  })
})
