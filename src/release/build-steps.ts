import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import type { DiskBudget } from '#src/builder/budget.ts'
import { needPrograms } from '#src/builder/programs.ts'
import { outputDirectory, prepareStorage } from '#src/builder/storage.ts'
import type { Builder } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { rootSizeConfig } from '#src/disk/root-size.ts'
import type { ArtifactOnBuilder } from '#src/disk/types.ts'
import { FactoryError } from '#src/errors.ts'
import type { CollectedArtifact } from '#src/journal/records.ts'
import type { CollectedBuild } from '#src/journal/replay.ts'
import { formatBytes, formatDuration } from '#src/units.ts'
import { containerRequest, originTag, sendSources } from './container-step.ts'
import type { ReleaseInputs } from './inputs.ts'
import { jobLogDirectory } from './job-log-directory.ts'
import type { ReleaseScope } from './scope.ts'
import { stateOf } from './state.ts'
import { runStep } from './step.ts'

/** A builder may say what it likes about sizes; disks are 10 GiB unless the configuration asks for more. */
const largestDiskBytes = 256 * 1024 ** 3

/** One build on whichever machine makes it. */
export interface BuildScope {
  scope: ReleaseScope
  inputs: ReleaseInputs
  arch: ArchitectureName
  buildKey: string
  formats: readonly DiskFormat[]
  identity: string
}

export async function prepare(
  build: BuildScope,
  budget: DiskBudget,
  open: () => Promise<Builder>,
): Promise<Builder> {
  const { scope, arch, inputs } = build
  const limitMs = scope.configuration.limits.boot + 10 * 60_000
  return await runStep(scope, { arch, step: 'prepare' }, { limitMs }, async (ctx) => {
    const startedAt = ctx.now()
    ctx.emit({ message: 'waiting for the builder to boot and answer' })
    const builder = await open()
    try {
      const bootMs = ctx.now() - startedAt
      const { version } = await scope.container.probe(builder)
      await needPrograms(builder)
      await prepareStorage(builder, budget, ctx)
      await sendSources(scope, inputs, builder, ctx)
      return { result: builder, summary: `answered after ${formatDuration(bootMs)}, podman ${version}` }
    } catch (error) {
      await builder[Symbol.asyncDispose]()
      throw error
    }
  })
}

export async function containerStep(build: BuildScope, builder: Builder, jobId: string): Promise<void> {
  const { scope, arch, inputs, identity } = build
  await runStep(
    scope,
    { arch, step: 'container' },
    { limitMs: scope.configuration.limits.build },
    async (ctx) => {
      const request = containerRequest(scope, inputs, { arch, jobId, identity })
      const { imageId, sizeBytes } = await scope.container.build(builder, request, ctx)
      scope.journal.append({ type: 'container-built', release: scope.release, arch, imageId, sizeBytes })
      return { result: undefined, summary: `${formatBytes(sizeBytes)}, ${imageId.slice(0, 19)}` }
    },
  )
}

/** The manifest travels under a tag of its own, so that the registry keeps it until the index names it. */
export async function pushStep(build: BuildScope, builder: Builder, jobId: string): Promise<void> {
  const { scope, arch } = build
  const repository = scope.configuration.image.push
  if (repository === undefined || scope.configuration.image.source.kind === 'ref') return
  await runStep(scope, { arch, step: 'push' }, { limitMs: scope.configuration.limits.build }, async (ctx) => {
    const request = {
      jobId,
      tag: originTag(scope),
      repository,
      remoteTag: `${scope.release}-${arch}`,
      logDirectory: jobLogDirectory(scope.stateDirectory, scope.release, arch),
      limitMs: scope.configuration.limits.build,
    }
    const { digest } = await scope.container.push(builder, request, ctx)
    scope.journal.append({ type: 'container-pushed', release: scope.release, arch, digest })
    return { result: undefined, summary: `${repository}@${digest.slice(0, 19)}` }
  })
}

export async function disksStep(
  build: BuildScope,
  builder: Builder,
  jobId: string,
): Promise<ArtifactOnBuilder[]> {
  const { scope, arch, inputs, formats } = build
  const tool = inputs.diskBuilders[arch]
  if (!tool)
    throw new FactoryError({
      code: 'inputs-incomplete',
      message: `no disk builder for ${arch}`,
      class: 'bug',
    })
  const { rootfs, sizeBytes } = scope.configuration.disk
  const config = inputs.diskConfig ?? (sizeBytes === undefined ? undefined : rootSizeConfig(sizeBytes))
  const limitMs = scope.configuration.limits.disk
  return await runStep(scope, { arch, step: 'disks' }, { limitMs }, async (ctx) => {
    const logDirectory = jobLogDirectory(scope.stateDirectory, scope.release, arch)
    const tag = originTag(scope)
    const request = { arch, jobId, tag, tool, rootfs, formats, outputDirectory, logDirectory, limitMs }
    const made = await scope.disk.build(builder, config === undefined ? request : { ...request, config }, ctx)
    const shown = made.map(({ format, virtualBytes }) => `${format} ${formatBytes(virtualBytes)}`)
    return { result: made, summary: shown.join(', ') }
  })
}

/** What has arrived is in the journal before the machine that made it is given back. */
export async function collectStep(
  build: BuildScope,
  builder: Builder,
  files: readonly ArtifactOnBuilder[],
): Promise<CollectedBuild> {
  const { scope, arch } = build
  const limitMs = scope.configuration.limits.collect
  return await runStep(scope, { arch, step: 'collect' }, { limitMs }, async (ctx) => {
    const artifacts: CollectedArtifact[] = []
    for (const file of files) artifacts.push(await collect(scope, builder, arch, file, ctx))
    const travelled = artifacts.reduce((sum, { contentBytes }) => sum + contentBytes, 0)
    const pushedDigest = stateOf(scope).containers[arch]?.pushedDigest
    const made = {
      release: scope.release,
      arch,
      buildKey: build.buildKey,
      identity: build.identity,
      artifacts,
    }
    const collected = pushedDigest === undefined ? made : { ...made, pushedDigest }
    scope.journal.append({ type: 'artifacts-collected', ...collected })
    return { result: collected, summary: `${formatBytes(travelled)} of content` }
  })
}

async function collect(
  scope: ReleaseScope,
  builder: Builder,
  arch: ArchitectureName,
  file: ArtifactOnBuilder,
  ctx: Context,
): Promise<CollectedArtifact> {
  const incoming = await scope.store.incoming(`${scope.release}-${arch}.${file.format}`)
  const label = `${arch} ${file.format}`
  const maxSizeBytes = Math.max(largestDiskBytes, 4 * (scope.configuration.disk.sizeBytes ?? 0))
  const fetched = await builder.fetch(file.path, incoming, { ctx, label, maxSizeBytes })
  const { sha256, sizeBytes, contentBytes } = fetched
  await scope.store.add(incoming, sha256)
  return { arch, format: file.format, sha256, sizeBytes, virtualBytes: file.virtualBytes, contentBytes }
}
