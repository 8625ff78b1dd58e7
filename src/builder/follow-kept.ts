import { FactoryError } from '#src/errors.ts'
import { openJobLog, openSecondJobLog, replaceJobLog } from './job-log.ts'
import type { JobLogCopy } from './job-log.ts'
import type { Builder, FollowOptions, JobState, LogDigest } from './types.ts'

export interface KeptFollowOptions extends Pick<FollowOptions, 'onLine' | 'limitMs' | 'maxLogBytes'> {
  /** Where our copies of job logs lie. */
  logDirectory: string
  /** Lines are about to come again from the first one, and why. */
  onFirstLineAgain(why: string): void
}

/**
 * Follows a job to its end and keeps every byte of its log here. Bytes that an earlier run of ours has taken are not
 * fetched again, but their lines come again. In the end our copy is held against the builder's log: one that differs is
 * fetched anew, once, and `job-log-differs` when it still does. Throws what `followJob` throws, and `job-log-not-kept`.
 */
export async function followKept(
  builder: Builder,
  id: string,
  options: KeptFollowOptions,
): Promise<JobState> {
  await using copy = await openJobLog(options.logDirectory, id)
  if (copy.keptBytes > 0) {
    options.onFirstLineAgain(`an earlier run was cut off: the log of job ${id} is shown from its beginning`)
  }
  const ended = await builder.followJob(id, followOptions(options, copy))
  const found = await compare(builder, id, copy)
  if (found.same) return ended

  options.onFirstLineAgain(`our copy of the log of job ${id} is damaged: it is fetched and shown once more`)
  return await followAnew(builder, id, options)
}

async function followAnew(builder: Builder, id: string, options: KeptFollowOptions): Promise<JobState> {
  await using copy = await openSecondJobLog(options.logDirectory, id)
  const ended = await builder.followJob(id, followOptions(options, copy))
  const found = await compare(builder, id, copy)
  if (!found.same) throw differs(builder, id, copy, found)
  await replaceJobLog(options.logDirectory, id)
  return ended
}

function followOptions(options: KeptFollowOptions, copy: JobLogCopy): FollowOptions {
  const { onLine, limitMs, maxLogBytes } = options
  const common = {
    fromByte: copy.keptBytes,
    earlier: copy.kept(),
    onLine,
    onBytes: copy.append,
    limitMs,
  }
  return maxLogBytes === undefined ? common : { ...common, maxLogBytes }
}

interface Comparison {
  same: boolean
  ours: LogDigest
  theirs: LogDigest
}

/** Of as many bytes as we have: what a process that outlived its job adds to the log later is not the job's. */
async function compare(builder: Builder, id: string, copy: JobLogCopy): Promise<Comparison> {
  const ours = await copy.seal()
  const theirs = await builder.jobLog(id, ours.sizeBytes)
  return { same: ours.sizeBytes === theirs.sizeBytes && ours.sha256 === theirs.sha256, ours, theirs }
}

function differs(builder: Builder, id: string, copy: JobLogCopy, { ours, theirs }: Comparison): FactoryError {
  return new FactoryError({
    code: 'job-log-differs',
    message: `the log of job ${id} cannot be had from builder ${builder.ref.machine} as it is there: ${copy.file} has ${ours.sizeBytes} bytes and sha256 ${ours.sha256}, the builder says ${theirs.sizeBytes} bytes and ${theirs.sha256}`,
    hint: 'Something on the builder changes the log or its disk is broken; release again on a fresh builder.',
    class: 'infra',
    context: { job: id, file: copy.file, ours, theirs },
  })
}
