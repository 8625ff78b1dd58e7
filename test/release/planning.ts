import { architectureNames } from '#arch/index.ts'
import type { Configuration } from '#src/config/types.ts'
import type { CloudAbilities } from '#src/release/destinations.ts'
import type { ReleaseInputs } from '#src/release/inputs.ts'
import type { LastRelease, Plan, PlanOptions } from '#src/release/plan.ts'

/** A digest that is easy to tell from others. */
export function digest(letter: string): string {
  return `sha256:${letter.repeat(64)}`
}

export function configuration(changes: Partial<Configuration> = {}): Configuration {
  return {
    file: '/deploy/factory.yaml',
    directory: '/deploy',
    stateDirectory: '/deploy/.factory',
    owner: 'lab',
    image: {
      name: 'lab',
      source: {
        kind: 'containerfile',
        containerfile: '/deploy/Containerfile',
        context: '/deploy',
        buildArgs: {},
        secrets: {},
      },
    },
    disk: { builders: {}, rootfs: 'xfs' },
    clouds: {},
    architectures: architectureNames,
    builders: { x86_64: ['lab'], aarch64: ['lab', 'spare'], ppc64le: ['spare', 'lab'], s390x: ['lab'] },
    publish: [{ to: 'lab', architectures: architectureNames, format: 'raw', verify: true }],
    require: 'all',
    limits: {
      build: 7_200_000,
      disk: 7_200_000,
      boot: 600_000,
      reconnect: 120_000,
      lease: 14_400_000,
      collect: 3_600_000,
    },
    retention: { keep: 3, minAgeMs: 30 * 86_400_000 },
    rebuild: { timezone: 'UTC', watch: [], everyMs: 300_000, pauseAfter: 3 },
    serve: { host: '127.0.0.1', port: 8085, hosts: [] },
    notify: [],
    place: (path) => ({ file: 'factory.yaml', line: path.length + 1, column: 1 }),
    ...changes,
  }
}

export function inputs(changes: Partial<ReleaseInputs['facts']> = {}): ReleaseInputs {
  const tool = { reference: 'quay.io/a/bib:1', digest: digest('b') }
  return {
    bases: [],
    diskBuilders: {},
    facts: {
      image: 'lab',
      containerfile: 'c'.repeat(64),
      context: { digest: 'd'.repeat(64), files: 3, bytes: 2048 },
      bases: [{ reference: 'quay.io/a/base:1', digest: digest('a') }],
      buildArgs: { V: '1' },
      secrets: ['token'],
      diskBuilders: { x86_64: tool, aarch64: tool, ppc64le: tool, s390x: tool },
      rootfs: 'xfs',
      formats: { x86_64: ['raw'], aarch64: ['raw'], ppc64le: ['raw'], s390x: ['raw'] },
      ...changes,
    },
  }
}

type Abilities = CloudAbilities extends ReadonlyMap<string, infer Value> ? Value : never

/** A cloud that rents everything but ppc64le, boots images of everything and takes everything but qcow2 for s390x, with these regions. */
export function cloud(...regions: string[]): Abilities {
  return {
    builders: {
      offers: (arch: string, region?: string) =>
        arch === 'ppc64le' && region === undefined
          ? { ok: false, reason: 'no base disk', hint: 'Give it one.' }
          : { ok: true },
    } as unknown as NonNullable<Abilities['builders']>,
    images: {
      regions,
      location: (region: string) => `${region} images`,
      takes: (arch: string, format: string) =>
        arch === 's390x' && format === 'qcow2' ? { ok: false, reason: 'raw only' } : { ok: true },
    } as unknown as NonNullable<Abilities['images']>,
  }
}

export function options(changes: Partial<PlanOptions> = {}): PlanOptions {
  const all = cloud('host1')
  const everything = { ...all, builders: { ...all.builders, offers: () => ({ ok: true }) } } as Abilities
  return {
    clouds: new Map([
      ['lab', everything],
      ['spare', everything],
    ]),
    makes: () => true,
    collected: new Map(),
    ...changes,
  }
}

/** The release that came of a plan, as a later plan sees it; `failed` architectures have no image. */
export function releaseOf(plan: Plan, failed: readonly string[] = []): LastRelease {
  return {
    release: '20261121.0',
    key: plan.key,
    finished: failed.length === 0,
    inputs: JSON.parse(JSON.stringify(plan.inputs)) as LastRelease['inputs'],
    builds: plan.builds.map(({ arch, buildKey }) => ({ arch, buildKey, failed: failed.includes(arch) })),
    images: plan.destinations
      .filter(({ arch }) => !failed.includes(arch))
      .map(({ cloud: name, region, arch, format, verify }) => ({
        cloud: name,
        region,
        arch,
        format,
        verified: verify ? 'passed' : 'not verified',
      })),
  }
}

/** The builds of a plan that succeeded, as `collected` has them. */
export function collectedFrom(plan: Plan, failed: readonly string[] = []): Map<string, { release: string }> {
  const built = plan.builds.filter(({ arch }) => !failed.includes(arch))
  return new Map(built.map(({ buildKey }) => [buildKey, { release: '20261121.0' }]))
}
