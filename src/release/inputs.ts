import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import { listContext } from '#src/builder/context.ts'
import type { BuildContext } from '#src/builder/context.ts'
import { problemsError } from '#src/config/problems.ts'
import type { Configuration, ContainerfileSource } from '#src/config/types.ts'
import type { PinnedReference } from '#src/container/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { RegistryClient } from '#src/registry/types.ts'
import { neededImages } from './containerfile.ts'
import { gitFacts } from './git.ts'
import type { GitFacts } from './git.ts'
import { type InputFacts, digestOfJson } from './input-facts.ts'
import { pinImages } from './pin-images.ts'
import type { WantedImage } from './pin-images.ts'

/** What a release is made of: everything read once, every image pinned, the same for all architectures. */
export interface ReleaseInputs {
  readonly facts: InputFacts
  readonly containerfileText?: string
  readonly context?: BuildContext
  readonly bases: readonly PinnedReference[]
  /** The finished container image, where there is no Containerfile. */
  readonly existing?: PinnedReference
  readonly diskBuilders: Readonly<Partial<Record<ArchitectureName, PinnedReference>>>
  /** Content of the config.toml. */
  readonly diskConfig?: string
  readonly git?: GitFacts
}

export interface InputOptions {
  registry: Pick<RegistryClient, 'resolve'>
  /** The architectures that this release is asked for; by default all that are configured. */
  architectures?: readonly ArchitectureName[] | undefined
}

/**
 * Reads the Containerfile and its context and pins every image to a digest. Nothing is changed anywhere. Throws one
 * error with everything that is wrong with the images: `base-not-multiarch`, `base-lacks-architecture`,
 * `image-not-found`, `registry-unreachable`, `registry-auth`, or `inputs-invalid` for a mixture.
 */
export async function readInputs(
  configuration: Configuration,
  options: InputOptions,
  ctx: Context,
): Promise<ReleaseInputs> {
  const { source } = configuration.image
  const sources = source.kind === 'containerfile' ? await readSources(configuration, source, ctx) : undefined
  const { config } = configuration.disk
  const diskConfig = config === undefined ? undefined : await readText(config)

  const wanted = wantedImages(configuration, sources?.needed ?? [], options.architectures)
  const { pinned, problems } = await pinImages(wanted, options.registry, ctx)
  if (problems.length > 0) {
    throw problemsError(problems, {
      code: 'inputs-invalid',
      hint: 'Mend them all, then try again: factory plan',
    })
  }
  const pin = (reference: string) => pinned.get(reference) ?? { reference, digest: '' }
  const bases = (sources?.needed ?? []).map(({ reference }) => pin(reference))
  const diskBuilders = Object.fromEntries(
    Object.entries(configuration.disk.builders).map(([arch, reference]) => [arch, pin(reference)]),
  )
  const existing = source.kind === 'ref' ? { existing: pin(source.ref) } : {}
  const read = { bases, diskBuilders, ...existing, ...(diskConfig === undefined ? {} : { diskConfig }) }
  if (sources === undefined) return { ...read, facts: factsOf(configuration, read) }
  const { text, context, git } = sources
  const all = { ...read, containerfileText: text, context, ...(git === undefined ? {} : { git }) }
  return { ...all, facts: factsOf(configuration, all) }
}

async function readSources(configuration: Configuration, source: ContainerfileSource, ctx: Context) {
  const text = await readText(source.containerfile)
  const needed = neededImages(text, {
    file: shownName(configuration, source.containerfile),
    buildArgs: source.buildArgs,
    architectures: configuration.architectures,
  })
  const leftOut = ownFilesIn(configuration, source)
  const [context, git] = await Promise.all([
    listContext(source.context, { leftOut }),
    factsOfGit(configuration, source, ctx),
  ])
  return { text, needed, context, git }
}

async function factsOfGit({ sources }: Configuration, source: ContainerfileSource, ctx: Context) {
  if (sources === undefined) return await gitFacts(source.context, ctx)
  return { commit: sources.commit, dirty: false, remote: sources.remote }
}

/**
 * Names the content of what a release reads here: the Containerfile, its context, the config.toml. Throws what `readInputs`
 * throws for them.
 */
export async function sourcesDigest(configuration: Configuration): Promise<string> {
  const { image, disk } = configuration
  const diskConfig = disk.config === undefined ? undefined : sha256(await readText(disk.config))
  if (image.source.kind === 'ref') return digestOfJson({ diskConfig })
  const containerfile = sha256(await readText(image.source.containerfile))
  const leftOut = ownFilesIn(configuration, image.source)
  const { digest } = await listContext(image.source.context, { leftOut })
  return digestOfJson({ containerfile, context: digest, diskConfig })
}

/**
 * What lies in the context and can be no part of an image: our state, which changes with every release and holds raw
 * logs, the configuration, and secrets.
 */
function ownFilesIn(configuration: Configuration, source: ContainerfileSource): string[] {
  const { file, stateDirectory, image, directory, sources } = configuration
  const own = [
    file,
    stateDirectory,
    ...Object.values(source.secrets),
    ...(image.authFile ? [image.authFile] : []),
  ]
  const inCommit = sources ? own.map((path) => resolve(sources.directory, relative(directory, path))) : []
  return [...own, ...inCommit]
    .map((path) => relative(source.context, path))
    .filter((path) => !path.startsWith('..') && path !== '')
}

function wantedImages(
  configuration: Configuration,
  needed: ReturnType<typeof neededImages>,
  asked: readonly ArchitectureName[] = configuration.architectures,
): WantedImage[] {
  const { image, disk, architectures } = configuration
  const shared = architectures.length > 1
  const bases = needed.map(({ reference, place }) => ({ reference, place, architectures: asked, shared }))
  const ref =
    image.source.kind === 'ref'
      ? [
          {
            reference: image.source.ref,
            place: configuration.place(['image', 'ref']),
            architectures: asked,
            shared,
          },
        ]
      : []
  const builders = [...new Set(Object.values(disk.builders))].map((reference) => {
    const served = architectures.filter((arch) => disk.builders[arch] === reference)
    const path = ['disk', 'builder', ...served.slice(0, 1)]
    return {
      reference,
      place: configuration.place(path),
      architectures: served.filter((arch) => asked.includes(arch)),
      shared: served.length > 1,
    }
  })
  return [...bases, ...ref, ...builders]
}

function factsOf(configuration: Configuration, inputs: Omit<ReleaseInputs, 'facts'>): InputFacts {
  const { image, disk, publish, architectures } = configuration
  const { containerfileText, context, diskConfig, existing, bases, diskBuilders } = inputs
  const { source } = image
  const formats = architectures.map((arch) => [arch, formatsFor(publish, arch)])
  return {
    image: image.name,
    bases: [...bases],
    buildArgs: source.kind === 'containerfile' ? { ...source.buildArgs } : {},
    secrets: source.kind === 'containerfile' ? Object.keys(source.secrets).toSorted() : [],
    diskBuilders: { ...diskBuilders },
    rootfs: disk.rootfs,
    formats: Object.fromEntries(formats) as InputFacts['formats'],
    ...(containerfileText === undefined ? {} : { containerfile: sha256(containerfileText) }),
    ...(context === undefined
      ? {}
      : { context: { digest: context.digest, files: context.paths.length, bytes: context.totalBytes } }),
    ...(existing === undefined ? {} : { existing }),
    ...(image.push === undefined ? {} : { push: image.push }),
    ...(disk.sizeBytes === undefined ? {} : { sizeBytes: disk.sizeBytes }),
    ...(diskConfig === undefined ? {} : { diskConfig: sha256(diskConfig) }),
  }
}

/** What is made of an architecture: every format that somebody gets, or raw where nobody gets any. */
function formatsFor(publish: Configuration['publish'], arch: ArchitectureName): DiskFormat[] {
  const asked = publish
    .filter(({ architectures }) => architectures.includes(arch))
    .map(({ format }) => format)
  return asked.length === 0 ? ['raw'] : [...new Set(asked)].toSorted()
}

/** Beside the configuration's own name, as messages show it. */
function shownName(configuration: Configuration, path: string): string {
  return join(
    dirname(configuration.place([]).file),
    relative(configuration.sources?.directory ?? configuration.directory, path),
  )
}

/** Throws `file-unreadable`. */
export async function readText(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new FactoryError({
      code: 'file-unreadable',
      class: 'user',
      message: `${path} cannot be read: ${cause.message}`,
      hint: `Look at it: ls -l ${path}`,
      cause,
    })
  })
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
