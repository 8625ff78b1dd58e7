import { followKept } from '#src/builder/follow-kept.ts'
import type { Builder } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import type { FactoryError } from '#src/errors.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import { formatDuration } from '#src/units.ts'

/** The log lines that are kept for finding out why a job failed; older ones are only in our copy of the log. */
const keptLines = 400
/** The builder ends the job at its own limit; past this many milliseconds more, we stop believing that it will. */
const graceMs = 60_000
/** Registries hiccup: milliseconds before the second and the third attempt. */
const pausesMs = [3000, 10_000]
const saysNothing =
  /^(?:--> |(?:\[.*\] )?STEP \d|time="|Trying to pull |Getting image |Copying (?:blob|config) |Writing manifest )/

export interface JobRequest {
  id: string
  script: string
  /** Milliseconds since the epoch. */
  deadline: number
  /** Where our raw copy of its log is kept. */
  logDirectory: string
  onLine?: (line: string) => void
}

/** How a job ended and the last lines that it wrote. */
export interface Transcript {
  exitCode: number
  lastLines: readonly string[]
}

/**
 * Runs a job on the builder to its end, or goes on with the one that an earlier call with this id started; passes every
 * line from the first to the log and to `onLine`. A failing job is an answer, not an exception.
 */
export async function runJob(builder: Builder, job: JobRequest, ctx: Context): Promise<Transcript> {
  const lastLines: string[] = []
  const limitMs = Math.max(1000, job.deadline - ctx.now())
  const onLine = (line: string) => {
    lastLines.push(line)
    if (lastLines.length > keptLines) lastLines.shift()
    ctx.log(line)
    job.onLine?.(line)
  }
  const onFirstLineAgain = (why: string) => {
    lastLines.length = 0
    ctx.log(why)
  }
  const { logDirectory } = job
  const ended = await withTimeLimit(`job ${job.id}`, limitMs + graceMs, ctx.signal, async () => {
    await builder.startJob(job.id, job.script)
    return followKept(builder, job.id, { logDirectory, onLine, onFirstLineAgain, limitMs })
  })
  return { exitCode: ended.exitCode, lastLines }
}

/**
 * Runs a job that talks to a registry, up to three times while `failure` calls its end one that may pass; each attempt
 * is a job of its own, so that a restart of ours goes on with the attempt that is running.
 */
export async function runJobWithRetries(
  builder: Builder,
  job: JobRequest,
  failure: (transcript: Transcript) => FactoryError,
  ctx: Context,
): Promise<Transcript> {
  for (let attempt = 1; ; attempt += 1) {
    const id = attempt === 1 ? job.id : `${job.id}-${attempt}`
    const transcript = await runJob(builder, { ...job, id }, ctx)
    if (transcript.exitCode === 0) return transcript
    const error = failure(transcript)
    const pauseMs = pausesMs[attempt - 1]
    if (pauseMs === undefined || !error.retryable) throw error
    ctx.log(`${error.message.split('\n')[0]}; trying again in ${formatDuration(pauseMs)}`)
    await ctx.sleep(pauseMs)
  }
}

/** The last lines that say something, newest last; cut to a size that fits a message. */
export function lastWords(lines: readonly string[], count: number): string[] {
  return lines
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== '' && !saysNothing.test(line))
    .slice(-count)
    .map((line) => cut(line.replace(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, '$1…'), 240))
}

/** Cuts a text to at most `length` characters, with a mark that it was cut. */
export function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}
