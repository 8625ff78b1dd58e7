import type { Builder } from '#src/builder/types.ts'
import { pullPinned } from '#src/container/pull.ts'
import { runJob, type JobRequest, type Transcript } from '#src/container/transcript.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { diskFailure, loopDeviceCode } from './failures.ts'
import { countStages } from './manifest.ts'
import { makes, manifestName } from './matrix.ts'
import { readOutput } from './output.ts'
import { progressReader } from './progress.ts'
import { diskScript } from './script.ts'
import type { ArtifactOnBuilder, DiskBuilder, DiskRequest } from './types.ts'

const largestManifestBytes = 4 * 1024 ** 2

/** Disk images with bootc-image-builder, pinned by digest and run by digest. */
export const bib: DiskBuilder = { makes, build }

async function build(builder: Builder, request: DiskRequest, ctx: Context): Promise<ArtifactOnBuilder[]> {
  assertMakeable(request)
  const script = diskScript(request)
  const deadline = ctx.now() + request.limitMs
  const { jobId, logDirectory } = request
  const common = { deadline, logDirectory }
  const tool = { id: `${jobId}-tool`, images: [request.tool], nameOf: () => undefined, ...common }
  await pullPinned(builder, tool, ctx)

  const run = (id: string) => runTool(builder, request, { id, script, ...common }, ctx)
  let transcript = await run(`${jobId}-disks`)
  if (transcript.exitCode !== 0 && diskFailure(request, transcript).code === loopDeviceCode) {
    ctx.log('the loop device failed: building the disks once more')
    ctx.emit({ message: 'the loop device failed, once more from the start' })
    transcript = await run(`${jobId}-disks-again`)
  }
  if (transcript.exitCode !== 0) throw diskFailure(request, transcript)
  return readOutput(builder, request)
}

async function runTool(
  builder: Builder,
  request: DiskRequest,
  job: JobRequest,
  ctx: Context,
): Promise<Transcript> {
  const reader = progressReader()
  let counting: Promise<void> | undefined
  const onLine = (line: string) => {
    const progress = reader.read(line)
    if (reader.started) counting ??= stagesToCome(builder, request).then(reader.expect)
    if (progress) ctx.emit(progress)
  }
  const transcript = await runJob(builder, { ...job, onLine }, ctx)
  await counting
  return transcript
}

/** The number is decoration: when it cannot be had, the stages are shown without a total. */
async function stagesToCome(builder: Builder, request: DiskRequest): Promise<number | undefined> {
  const file = `${request.outputDirectory}/${manifestName(request.formats)}`
  try {
    const { stdout } = await builder.exec(['head', '-c', String(largestManifestBytes), file])
    return countStages(stdout, request.formats)
  } catch {
    return undefined
  }
}

function assertMakeable(request: DiskRequest): void {
  const cannot = request.formats.find((format) => !makes(request.arch, format))
  if (request.formats.length > 0 && cannot === undefined) return
  throw new FactoryError({
    code: 'disk-type-unsupported',
    message:
      cannot === undefined
        ? `no disk format was asked for on ${request.arch}`
        : `no usable ${cannot} can be made for ${request.arch}`,
    hint: 'Use other formats in publish.',
    class: 'user',
  })
}
