import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ArchitectureName } from '#arch/index.ts'
import type { Cloud, Image, ImageMark, Lease, Resource } from '#clouds/types.ts'
import { openStore } from '#src/artifact/store.ts'
import type { Builder, BuilderRef } from '#src/builder/types.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Rate } from '#src/cost.ts'
import { FactoryError } from '#src/errors.ts'
import type { FailureClass } from '#src/errors.ts'
import type { FactoryEvent, StepName } from '#src/events.ts'
import { type Engine, enterEngine } from '#src/journal/engine.ts'
import type { JournalRecord } from '#src/journal/records.ts'
import { adopt } from '#src/release/adopt.ts'
import { buildKeyOf } from '#src/release/input-facts.ts'
import { planNow } from '#src/release/last-release.ts'
import { giveBackLeftovers } from '#src/release/give-back.ts'
import { type ReleaseResult, runRelease } from '#src/release/release.ts'
import { type EngineParts, releaseContext } from '#src/release/scope.ts'
import { unfinishedRelease } from '#src/release/unfinished.ts'
import { configuration, inputs } from './planning.ts'

/** Where a scripted failure happens; `times` of them, then it works. */
export interface Fault {
  arch: ArchitectureName
  at: 'acquire' | 'open' | 'container' | 'disks' | 'fetch' | 'publish' | 'verify' | 'mark'
  class: FailureClass
  cloud?: string
  times?: number
}

export interface ScriptedRelease {
  events: FactoryEvent[]
  /** Machines that are rented right now, as `cloud/lease`. */
  rented: Set<string>
  /** Machines of one cloud at once, at any time. */
  mostRented: number
  /** Everything that was ever asked of a cloud or a builder, in order. */
  calls: string[]
  images: Map<string, Image>
  /** What the clouds were told of images, by `cloud id`. */
  imageMarks: Map<string, ImageMark>
  /** What stands on the machines that are rented, under the same names as in `rented`. */
  marks: Map<string, Resource>
  /** The ends that heartbeats wrote, by lease. */
  prolonged: Map<string, string>
  /** Names of images that a machine uses. */
  used: Set<string>
  /** Architectures of the indexes in the registry, by tag. */
  indexes: Map<string, string[]>
  /** Architectures whose images no cloud can boot. */
  unbootable: Set<ArchitectureName>
  layerBytesFails: boolean
  /** What each machine is told to be and to cost; without any the clouds have no prices. */
  rates: Rate[]
  onCall: (call: string) => void
}

/**
 * The real engine, journal and store over scripted clouds and builders. The stand-ins are stricter than real ones:
 * renting twice under one lease, using a machine that was given back, or publishing without asking first throws.
 */
export async function scriptedFactory(changes: Partial<Configuration> = {}) {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'factory-engine-'))
  const world: ScriptedRelease = {
    events: [],
    rented: new Set(),
    mostRented: 0,
    calls: [],
    images: new Map(),
    imageMarks: new Map(),
    marks: new Map(),
    prolonged: new Map(),
    used: new Set(),
    indexes: new Map(),
    unbootable: new Set(),
    layerBytesFails: false,
    rates: [],
    onCall: () => {},
  }
  const faults: Fault[] = []
  const { signal } = new AbortController()
  const pool = { name: 'images' }
  const maxBuilders: { count: number; of?: (arch: ArchitectureName) => number } = { count: 4 }
  const settings = configuration({ stateDirectory, ...changes })

  const fail = (at: Fault['at'], arch: ArchitectureName, cloud?: string) => {
    const fault = faults.find(
      (one) =>
        one.at === at &&
        one.arch === arch &&
        (one.cloud === undefined || one.cloud === cloud) &&
        one.times !== 0,
    )
    if (!fault) return
    if (fault.times !== undefined) fault.times -= 1
    throw new FactoryError({ code: `scripted-${at}`, message: `scripted: ${at} fails`, class: fault.class })
  }

  const cloudOf = (name: string): Cloud => ({
    name,
    kind: 'libvirt',
    async *doctor() {},
    builders: {
      get maxBuilders() {
        return maxBuilders.count
      },
      get maxBuildersOf() {
        return maxBuilders.of
      },
      offers: (arch, region) =>
        region !== undefined && world.unbootable.has(arch)
          ? { ok: false, reason: `no subnet in ${region}` }
          : { ok: true },
      async acquire(spec, lease: Lease) {
        world.calls.push(`acquire ${name} ${lease.arch} ${spec.purpose} ${spec.dataBytes}`)
        fail('acquire', lease.arch, name)
        const known = engine.journal.state().leases.find((taken) => taken.lease.id === lease.id)
        if (!known) throw new Error('the lease is not in the journal before the cloud is asked')
        world.rented.add(`${name}/${lease.id}`)
        const { id: leaseId, ...marks } = lease
        const machine = { kind: 'machine', id: `vm-${leaseId}`, region: 'local', leaseId } as const
        world.marks.set(`${name}/${leaseId}`, { ...machine, ...marks })
        const here = [...world.rented].filter((rented) => rented.startsWith(`${name}/`))
        world.mostRented = Math.max(world.mostRented, here.length)
        const address = { host: 'scripted', port: 22 }
        return {
          leaseId: lease.id,
          arch: lease.arch,
          machine: `vm-${lease.id}`,
          address,
          user: 'root',
          hostPublicKey: 'ssh-ed25519 A',
          ...(world.rates.length > 0 ? { rates: world.rates } : {}),
        }
      },
      async *find(owner) {
        for (const key of world.rented) {
          const mark = world.marks.get(key)
          if (key.startsWith(`${name}/`) && mark?.owner === owner) yield mark
        }
      },
      async prolong(leaseId, expires) {
        if (!world.rented.has(`${name}/${leaseId}`)) throw new Error('prolonged after it was given back')
        world.prolonged.set(leaseId, expires)
      },
      async release(leaseId) {
        world.calls.push(`release ${name}`)
        world.rented.delete(`${name}/${leaseId}`)
        world.marks.delete(`${name}/${leaseId}`)
      },
    },
    images: {
      regions: ['local'],
      location: (region) => `${region} ${pool.name}`,
      takes: () => ({ ok: true }),
      async check(region) {
        world.calls.push(`check ${name}/${region}`)
      },
      async find(key) {
        world.calls.push(`find ${key.arch}`)
        return world.images.get(`${key.arch} ${key.sha256}`)
      },
      async publish(artifact, key) {
        world.calls.push(`publish ${key.arch}`)
        fail('publish', key.arch, name)
        if (world.images.has(`${key.arch} ${key.sha256}`)) throw new Error('published twice')
        const { cloud, region, arch, format, sha256, release, origin } = key
        const image: Image = {
          cloud,
          kind: 'libvirt',
          region,
          arch,
          id: key.name,
          name: key.name,
          format,
          sha256,
          sizeBytes: artifact.virtualBytes,
          release,
          origin,
        }
        world.images.set(`${arch} ${sha256}`, image)
        return image
      },
      async *list() {
        // The newest first, as some clouds do.
        for (const image of [...world.images.values()].toReversed()) if (image.cloud === name) yield image
      },
      async mark(image, mark) {
        world.calls.push(`mark ${image.arch} ${mark}`)
        fail('mark', image.arch, name)
        world.imageMarks.set(`${name} ${image.id}`, mark)
      },
      async marked(image) {
        return world.imageMarks.get(`${name} ${image.id}`)
      },
      async remove(image) {
        world.calls.push(`remove ${image.name}`)
        world.onCall(`remove ${image.name}`)
        world.images.delete(`${image.arch} ${image.sha256}`)
      },
      inUse: async ({ name: image }) =>
        world.used.has(image) ? `the machine m1 runs from ${image}` : undefined,
      async *leftovers() {},
      async discard() {},
    },
  })
  const clouds = new Map(['lab', 'spare'].map((name) => [name, cloudOf(name)]))
  let engine = entered(stateDirectory)

  const openBuilder = async (ref: BuilderRef): Promise<Builder> => {
    world.calls.push(`open ${ref.arch}`)
    fail('open', ref.arch)
    const used = () => {
      if (![...world.rented].some((name) => name.endsWith(ref.leaseId)))
        throw new Error('used after it was given back')
    }
    const unscripted = (what: string) => () => Promise.reject(new Error(`${what} is not scripted`))
    return {
      ref,
      async exec(argv) {
        used()
        const command = argv.join(' ')
        if (command === 'uname -m') return { stdout: `${ref.arch}\n`, stderr: '', exitCode: 0 }
        if (command.startsWith('cat /usr/lib/image-factory/release')) {
          fail('verify', ref.arch)
          return { stdout: identities.get(ref.arch) ?? '', stderr: '', exitCode: 0 }
        }
        return {
          stdout:
            'free /var/lib/containers 1 999999999999999\nfree /var/tmp 1 999999999999999\nfree /var/lib/factory 1 999999999999999\n',
          stderr: '',
          exitCode: 0,
        }
      },
      async writeFile() {
        used()
      },
      startJob: unscripted('startJob'),
      followJob: unscripted('followJob'),
      jobLog: unscripted('jobLog'),
      stopJob: unscripted('stopJob'),
      async sendTree() {
        used()
      },
      async fetch(path, destination) {
        used()
        world.calls.push(`fetch ${ref.arch}`)
        fail('fetch', ref.arch)
        const content = identities.get(ref.arch) ?? path
        writeFileSync(destination, content)
        const sha256 = createHash('sha256').update(content).digest('hex')
        return { sha256, sizeBytes: content.length, contentBytes: content.length, extents: [] }
      },
      async [Symbol.asyncDispose]() {
        world.calls.push(`close ${ref.arch}`)
      },
    }
  }
  /** What the last container build of each architecture put into its image. */
  const identities = new Map<ArchitectureName, string>()

  async function release(
    options: {
      force?: boolean
      signal?: AbortSignal
      keepBuilders?: boolean
      architectures?: ArchitectureName[]
    } = {},
  ) {
    mkdirSync(stateDirectory, { recursive: true })
    const store = openStore(stateDirectory)
    const read = { ...inputs(), diskBuilders: inputs().facts.diskBuilders, bases: inputs().facts.bases }
    const known = { clouds, store, state: engine.journal.state() }
    const planned = await planNow(settings, known, read, {
      force: options.force,
      architectures: options.architectures,
    })
    const parts: EngineParts = {
      configuration: settings,
      stateDirectory,
      journal: engine.journal,
      store,
      clouds,
      registry: {
        resolve: () => Promise.reject(new Error('not scripted')),
        layerBytes: () =>
          world.layerBytesFails
            ? Promise.reject(
                new FactoryError({ code: 'scripted-layers', message: 'no sizes', class: 'infra' }),
              )
            : Promise.resolve(1000),
        async writeIndex({ repository, tag, entries }) {
          if (entries.length === 0) throw new Error('an index of nothing')
          world.indexes.set(tag, entries.map(({ arch }) => arch).toSorted())
          return { reference: `${repository}:${tag}`, digest: `sha256:${'e'.repeat(64)}` }
        },
      },
      container: {
        probe: () => Promise.resolve({ version: '5' }),
        async build(_builder, request) {
          world.calls.push(`container ${request.arch}`)
          world.onCall(`container ${request.arch}`)
          fail('container', request.arch)
          identities.set(request.arch, request.identity)
          return { imageId: 'sha256:1', tag: request.tag, sizeBytes: 1 }
        },
        push: () => Promise.resolve({ digest: `sha256:${'f'.repeat(64)}` }),
      },
      disk: {
        makes: () => true,
        async build(_builder, request) {
          world.calls.push(`disks ${request.arch}`)
          fail('disks', request.arch)
          return request.formats.map((format) => ({
            format,
            path: `/out/${format}`,
            sizeBytes: 1000,
            virtualBytes: 2000,
          }))
        },
      },
      openBuilder,
      listener: (event) => void world.events.push(event),
      signal: options.signal ?? new AbortController().signal,
      now: Date.now,
      mask: (text) => text,
      keepBuilders: options.keepBuilders ?? false,
    }
    const resuming = unfinishedRelease(known.state, planned.key, settings.require)
    await giveBackLeftovers(parts, resuming?.release)
    if (planned.nothingChanged) return planned.nothingChanged
    return await runRelease(parts, planned, read)
  }

  return {
    world,
    faults,
    pool,
    maxBuilders,
    release,
    settings,
    stateDirectory,
    state: () => engine.journal.state(),
    /** Steps as events told them, `arch step` → how often each was started. */
    started: (step: StepName) =>
      world.events.filter((event) => event.type === 'step-started' && event.step === step).length,
    /** What an engine wrote that was cut off. */
    append: (record: JournalRecord) => engine.journal.append(record),
    /** What a new process would see: only what is on the disk. */
    reopen() {
      engine[Symbol.dispose]()
      engine = entered(stateDirectory)
    },
    /** The state directory is gone, and with it everything that only we knew. */
    async lose() {
      engine[Symbol.dispose]()
      for (const name of await readdir(stateDirectory))
        await rm(join(stateDirectory, name), { recursive: true })
      engine = entered(stateDirectory)
    },
    adopt: () => adopt(engine.journal, clouds, settings, releaseContext({ now: Date.now, signal })),
    journal: () => engine.journal,
    clouds,
    async [Symbol.asyncDispose]() {
      engine[Symbol.dispose]()
      await rm(stateDirectory, { recursive: true, force: true })
    },
  }
}

function entered(stateDirectory: string): Engine {
  const entry = enterEngine(stateDirectory)
  if ('engine' in entry) return entry.engine
  throw new Error('another engine is at work')
}

/** Narrows what a release came to: these tests say which of the two they expect. */
export function resultOf(outcome: ReleaseResult | { release: string; why: string }): ReleaseResult {
  if ('outcome' in outcome) return outcome
  throw new Error(`nothing was done: ${outcome.why}`)
}

export { buildKeyOf }
