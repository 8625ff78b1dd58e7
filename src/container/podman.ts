import type { Builder } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { buildProgress } from './build-progress.ts'
import { buildFailure, identityFailure, pushFailure } from './failures.ts'
import { inspectImage } from './inspect.ts'
import { pullPinned } from './pull.ts'
import { assertLocalTag, isDigest } from './reference.ts'
import { identityScript, layersScript, pushScript } from './scripts.ts'
import { runJob, runJobWithRetries, type Transcript } from './transcript.ts'
import type {
  ContainerBuilder,
  ContainerRequest,
  ContainerResult,
  PinnedReference,
  PushRequest,
} from './types.ts'

/** A builder that is adopted in the middle of a build answers slowly: podman waits for its own locks. */
const probeLimitMs = 5 * 60_000

/** Container builds with podman on the builder: every long thing is a job, so it outlives our connection. */
export const podman: ContainerBuilder = { probe, build, push }

async function probe(builder: Builder): Promise<{ version: string }> {
  const answer = await builder.exec(['podman', 'version', '--format', '{{.Client.Version}}'], {
    accept: 'any',
    limitMs: probeLimitMs,
  })
  const version = /^\d+\.\d+[\w.+~-]*/.exec(answer.stdout.trim())?.[0]
  if (answer.exitCode === 0 && version !== undefined) return { version }
  throw new FactoryError({
    code: 'podman-missing',
    message: `podman does not run on the ${builder.ref.arch} builder ${builder.ref.machine} (exit code ${answer.exitCode})`,
    hint: 'Use a base image for builders that has podman, or install it there.',
    class: 'user',
    context: { stderr: answer.stderr.slice(0, 1000) },
  })
}

async function build(builder: Builder, request: ContainerRequest, ctx: Context): Promise<ContainerResult> {
  assertLocalTag(request.tag)
  const deadline = ctx.now() + request.limitMs
  if (request.existing) await takeExisting(builder, request, request.existing, deadline, ctx)
  else await buildLayers(builder, request, deadline, ctx)
  const image = await inspectImage(builder, request.tag)
  return { imageId: image.id, tag: request.tag, sizeBytes: image.sizeBytes }
}

async function takeExisting(
  builder: Builder,
  request: ContainerRequest,
  image: PinnedReference,
  deadline: number,
  ctx: Context,
): Promise<void> {
  const { jobId, logDirectory, tag } = request
  const job = { id: `${jobId}-image`, images: [image], deadline, logDirectory, nameOf: () => tag }
  await pullPinned(builder, job, ctx)
}

async function buildLayers(
  builder: Builder,
  request: ContainerRequest,
  deadline: number,
  ctx: Context,
): Promise<void> {
  const { containerfile, contextDirectory, jobId, logDirectory } = request
  if (containerfile === undefined || contextDirectory === undefined) {
    throw new FactoryError({
      code: 'container-request-incomplete',
      message: `the container build on ${request.arch} has neither a Containerfile with its context nor an image`,
      class: 'bug',
    })
  }
  const common = { deadline, logDirectory }
  await pullPinned(builder, { id: `${jobId}-bases`, images: request.bases, ...common }, ctx)

  const layersTag = `localhost/image-factory-layers:${jobId.replace(/[^A-Za-z0-9_.-]/g, '-')}`
  assertLocalTag(layersTag)
  const onLine = (line: string) => {
    const progress = buildProgress(line)
    if (progress) ctx.emit(progress)
  }
  const script = layersScript(request, containerfile, contextDirectory, layersTag)
  const layers = await runJob(builder, { id: `${jobId}-layers`, script, onLine, ...common }, ctx)
  if (layers.exitCode !== 0) throw buildFailure(request.arch, layers)

  ctx.emit({ message: 'adding labels and the identity of the release' })
  const top = { id: `${jobId}-identity`, script: identityScript(request, layersTag), ...common }
  const identity = await runJob(builder, top, ctx)
  if (identity.exitCode !== 0) throw identityFailure(request.arch, identity)
}

async function push(builder: Builder, request: PushRequest, ctx: Context): Promise<{ digest: string }> {
  assertLocalTag(request.tag)
  const target = `${request.repository}:${request.remoteTag}`
  assertLocalTag(target)
  ctx.emit({ message: `pushing ${target}` })
  const deadline = ctx.now() + request.limitMs
  const { jobId, logDirectory } = request
  const job = { id: `${jobId}-push`, script: pushScript(request), deadline, logDirectory }
  const failure = (failed: Transcript) => pushFailure(builder.ref.arch, target, failed)
  const transcript = await runJobWithRetries(builder, job, failure, ctx)
  const digest = transcript.lastLines.findLast((line) => line.trim() !== '')?.trim() ?? ''
  if (isDigest(digest)) return { digest }
  throw new FactoryError({
    code: 'builder-answer-unreadable',
    message: `podman on the ${builder.ref.arch} builder did not say the digest of ${target}`,
    hint: 'Run the release again; when it stays, run podman push --digestfile on the builder by hand.',
    class: 'infra',
  })
}
