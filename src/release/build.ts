import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import type { Verdict } from '#clouds/types.ts'
import { keepLease } from '#src/builder/heartbeat.ts'
import { outputDirectory, prepareStorage } from '#src/builder/storage.ts'
import type { DiskBudget } from '#src/builder/budget.ts'
import type { Builder } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { rootSizeConfig } from '#src/disk/root-size.ts'
import type { ArtifactOnBuilder } from '#src/disk/types.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import type { CollectedArtifact } from '#src/journal/records.ts'
import type { CollectedBuild } from '#src/journal/replay.ts'
import { formatBytes, formatDuration } from '#src/units.ts'
import { buildBudget } from './budget.ts'
import { containerRequest, originTag, sendSources } from './container-step.ts'
import { identityOf } from './identity.ts'
import type { ReleaseInputs } from './inputs.ts'
import { jobLogDirectory } from './job-log-directory.ts'
import { isLeaseFailure, prolong, withMachine } from './lease.ts'
import type { Plan, PlannedBuild } from './plan.ts'
import { budgets, pauseMs, spender } from './retries.ts'
import { type ReleaseScope, releaseContext } from './scope.ts'
import { stateOf } from './state.ts'
import { runStep } from './step.ts'

/** A builder may say what it likes about sizes; disks are 10 GiB unless the configuration asks for more. */
const largestDiskBytes = 256 * 1024 ** 3

interface BuildScope {
  scope: ReleaseScope
  inputs: ReleaseInputs
  arch: ArchitectureName
  buildKey: string
  formats: readonly DiskFormat[]
  identity: string
}

/**
 * Makes the artifacts of one architecture, or finds those that an earlier release made of the same inputs. The
 * clouds are tried in their order when one has no machine to give; a build that ran out of disk is tried once
 * more with twice the space, one whose machine was lost once more on a fresh one; anything else fails.
 */
export async function buildArchitecture(
  scope: ReleaseScope,
  plan: Plan,
  inputs: ReleaseInputs,
  arch: ArchitectureName,
): Promise<CollectedBuild> {
  const planned = plan.builds.find((build) => build.arch === arch)
  if (!planned)
    throw new FactoryError({
      code: 'build-unplanned',
      message: `no build of ${arch} was planned`,
      class: 'bug',
    })
  const { buildKey, formats } = planned
  const before = await collectedBefore(scope, planned)
  if (before) return before

  const { release, configuration } = scope
  const identity = identityOf({ imageName: configuration.image.name, release, buildKey, arch })
  const built = configuration.image.source.kind === 'ref' ? '' : identity
  return await onSomeMachine({ scope, inputs, arch, buildKey, formats, identity: built })
}

/** Nobody waits for the artifacts of a build that is not needed: they may be gone, or never have been here. */
async function collectedBefore(
  scope: ReleaseScope,
  { buildKey, needed }: PlannedBuild,
): Promise<CollectedBuild | undefined> {
  const known = scope.journal.state().collected.get(buildKey)
  if (!known || !needed) return known
  if (known.artifacts.length === 0) return undefined
  for (const { sha256, sizeBytes } of known.artifacts) {
    if (!(await scope.store.has(sha256, sizeBytes))) return undefined
  }
  return known
}

/**
 * Tries until a machine has made the build or nothing is left to try: the next cloud when one has no machine, a fresh
 * machine when one was lost, twice the space when the disk was full.
 */
async function onSomeMachine(build: BuildScope): Promise<CollectedBuild> {
  const { scope, arch, inputs, formats } = build
  const names = scope.configuration.builders[arch] ?? []
  const budget = await buildBudget(scope.registry, inputs, { arch, formats }, releaseContext(scope))
  const spend = spender(budgets.build)
  let dataBytes = budget.totalBytes
  let at = 0
  for (let tries = 1; ; tries += 1) {
    const name = names[at]
    if (name === undefined) throw noSource(arch)
    try {
      return await onMachine(build, name, dataBytes, budget)
    } catch (caught) {
      const error = asFactoryError(caught)
      if (scope.signal.aborted) throw error
      const next = names[at + 1]
      if (isLeaseFailure(caught) && next !== undefined && mayBeElsewhere(error)) {
        warn(build, `${name} has no ${arch} machine (${error.message}): trying ${next}`)
        at += 1
        continue
      }
      if (isLeaseFailure(caught) && error.class === 'disk-full') throw error
      if (!spend(error)) throw error
      if (error.class === 'disk-full') {
        dataBytes *= 2
        warn(build, `the ${arch} builder's disk was full: once more with ${formatBytes(dataBytes)}`)
        continue
      }
      warn(build, `${error.message}: once more on a fresh machine`, error.hint)
      at = 0
      await releaseContext(scope).sleep(pauseMs(tries))
    }
  }
}

/** Whether another cloud may have what this one has not. */
function mayBeElsewhere({ class: failureClass }: FactoryError): boolean {
  return !['user', 'bug', 'interrupted'].includes(failureClass)
}

async function onMachine(
  build: BuildScope,
  cloud: string,
  dataBytes: number,
  budget: DiskBudget,
): Promise<CollectedBuild> {
  const { scope, arch } = build
  const pool = scope.clouds.get(cloud)?.builders
  const verdict = pool?.offers(arch) ?? { ok: false, reason: `${cloud} rents no machines` }
  if (!pool || !verdict.ok) throw notOffered(cloud, arch, verdict)
  const request = { arch, cloud, pool, purpose: 'build', dataBytes } as const
  return await withMachine(scope, request, async (rented) => {
    const session = releaseContext(scope)
    await using builder = await prepare(build, budget, () =>
      scope.openBuilder(rented.ref, rented.login, session),
    )
    // Jobs are idempotent by their id, so a resumed release attaches to what an earlier engine started here.
    const jobId = rented.ref.leaseId
    const leaseMs = scope.configuration.limits.lease
    await using _lease = keepLease(builder, leaseMs, {
      prolong: () => prolong(scope, pool, jobId, leaseMs),
      ctx: { ...session, log: (line) => warn(build, line) },
    })
    await containerStep(build, builder, jobId)
    await pushStep(build, builder, jobId)
    const made = await disksStep(build, builder, jobId)
    return await collectStep(build, builder, made)
  })
}

async function prepare(
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
      await prepareStorage(builder, budget, ctx)
      await sendSources(scope, inputs, builder, ctx)
      return { result: builder, summary: `answered after ${formatDuration(bootMs)}, podman ${version}` }
    } catch (error) {
      await builder[Symbol.asyncDispose]()
      throw error
    }
  })
}

async function containerStep(build: BuildScope, builder: Builder, jobId: string): Promise<void> {
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
async function pushStep(build: BuildScope, builder: Builder, jobId: string): Promise<void> {
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

async function disksStep(build: BuildScope, builder: Builder, jobId: string): Promise<ArtifactOnBuilder[]> {
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
async function collectStep(
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

function warn(build: BuildScope, message: string, hint?: string): void {
  const { scope, arch } = build
  const warning = { type: 'warning', at: scope.now(), arch, message: scope.mask(message) } as const
  scope.listener(hint === undefined ? warning : { ...warning, hint: scope.mask(hint) })
}

function noSource(arch: ArchitectureName): FactoryError {
  return new FactoryError({
    code: 'no-builder-source',
    message: `no cloud rents ${arch} builders`,
    hint: `Name one under builders: ${arch} in the configuration.`,
    class: 'user',
  })
}

function notOffered(cloud: string, arch: ArchitectureName, verdict: Verdict): FactoryError {
  const reason = verdict.ok ? `${cloud} rents no machines` : verdict.reason
  const hint = (verdict.ok ? undefined : verdict.hint) ?? `Name another cloud under builders: ${arch}.`
  return new FactoryError({
    code: 'builder-not-offered',
    message: `${cloud} has no ${arch} builders: ${reason}`,
    hint,
    class: 'capacity',
  })
}
