import { FactoryError } from '#src/errors.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import { formatBytes } from '#src/units.ts'
import { isConnectionLost } from './exec.ts'
import { restScript, tailScript } from './job-scripts.ts'
import { jobDirectory, jobStatus, stopJob } from './jobs.ts'
import type { JobStatus } from './jobs.ts'
import { splitLines } from './lines.ts'
import { bash } from './shell.ts'
import type { Shell } from './shell.ts'
import type { FollowOptions, JobState } from './types.ts'

const defaultMaxLogBytes = 256 * 1024 * 1024
/** One `tail` lives at most this long; then the job is asked how it is and followed on. */
const tailLimitMs = 60 * 60_000
const restLimitMs = 10 * 60_000

type Ended = Exclude<JobStatus, { state: 'absent' } | { state: 'running' }>

/**
 * Follows a job's log from a byte offset to the job's end, whatever happens to the connection in between; every byte
 * is handed on once and in order. Throws `job-lost` when the job died without an exit code, `job-stopped`,
 * `job-unknown`, and, after ending the job, `job-log-too-large` and `deadline-passed`.
 */
export async function followJob(
  shell: Shell,
  directory: string,
  id: string,
  options: FollowOptions,
): Promise<JobState> {
  const what = `job ${id} on builder ${shell.ref.machine}`
  try {
    return await withTimeLimit(what, options.limitMs, shell.ctx.signal, (signal) =>
      followToEnd(shell, directory, id, options, signal),
    )
  } catch (error) {
    if (isDeadline(error) || (error instanceof FactoryError && error.code === 'job-log-too-large')) {
      await stopJob(shell, directory, id)
    }
    throw error
  }
}

async function followToEnd(
  shell: Shell,
  directory: string,
  id: string,
  options: FollowOptions,
  signal: AbortSignal,
): Promise<JobState> {
  const place = jobDirectory(directory, id)
  const lines = splitLines(options.onLine)
  const maxLogBytes = options.maxLogBytes ?? defaultMaxLogBytes
  let logBytes = options.fromByte

  async function take(chunk: Buffer): Promise<void> {
    if (signal.aborted) return
    logBytes += chunk.length
    if (logBytes > maxLogBytes) throw logTooLarge(shell, id, maxLogBytes)
    await options.onBytes?.(chunk)
    lines.push(chunk)
  }

  /** Tells whether the builder came to the end of what it was asked for; a broken connection is no end. */
  async function read(script: string, last: string, limitMs: number): Promise<boolean> {
    const asked = bash(script, place, String(logBytes + 1), last)
    try {
      await shell.run(asked, { what: `log of job ${id}`, accept: 'any', once: true, limitMs, onStdout: take })
      return true
    } catch (error) {
      if (!isConnectionLost(error) && !isDeadline(error)) throw error
      return false
    }
  }

  for await (const bytes of options.earlier ?? []) {
    signal.throwIfAborted()
    lines.push(bytes)
  }
  for (;;) {
    signal.throwIfAborted()
    const before = logBytes
    const status = await jobStatus(shell, directory, id)
    if (status.state === 'absent') throw unknownJob(shell, id)
    if (status.state === 'running') await read(tailScript, status.process, tailLimitMs)
    else {
      const missing = status.logBytes - logBytes
      const all = missing <= 0 || (await read(restScript, String(missing), restLimitMs))
      if (all) {
        lines.end()
        return endOf(shell, id, status, logBytes)
      }
    }
    if (logBytes === before) await shell.ctx.sleep(200)
  }
}

function endOf(shell: Shell, id: string, status: Ended, logBytes: number): JobState {
  if (status.state === 'done') return { exitCode: status.exitCode, logBytes }
  if (status.state === 'stopped') {
    throw new FactoryError({
      code: 'job-stopped',
      message: `job ${id} on builder ${shell.ref.machine} was stopped`,
      class: 'interrupted',
    })
  }
  throw jobLost(shell, id, status.state, logBytes)
}

function jobLost(shell: Shell, id: string, state: 'rebooted' | 'killed', logBytes: number): FactoryError {
  const { machine, arch } = shell.ref
  const why =
    state === 'rebooted'
      ? 'the machine restarted under it'
      : 'it was killed from outside (by hand, or the machine ran out of memory)'
  const look =
    state === 'rebooted'
      ? 'whether the kernel panicked or somebody reset the machine'
      : 'whether the kernel ran out of memory; then give the builder more'
  return new FactoryError({
    code: 'job-lost',
    message: `job ${id} on builder ${machine} ended without an exit code: ${why}`,
    hint: `The last console lines say ${look}: factory logs ${arch} --step give-back. Go on with: factory release`,
    class: 'infra',
    context: { job: id, state, logBytes },
  })
}

function isDeadline(error: unknown): boolean {
  return error instanceof FactoryError && error.code === 'deadline-passed'
}

function unknownJob(shell: Shell, id: string): FactoryError {
  return new FactoryError({
    code: 'job-unknown',
    message: `builder ${shell.ref.machine} knows no job ${id}: it was never started there`,
    hint: 'The builder was made anew or its disk was lost; release again.',
    class: 'infra',
  })
}

function logTooLarge(shell: Shell, id: string, maxLogBytes: number): FactoryError {
  return new FactoryError({
    code: 'job-log-too-large',
    message: `job ${id} on builder ${shell.ref.machine} wrote more than ${formatBytes(maxLogBytes)} of log and was ended`,
    hint: 'Look at the log (factory logs) for what floods it.',
    class: 'user',
  })
}
