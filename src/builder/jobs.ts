import { FactoryError } from '#src/errors.ts'
import { logScript, startScript, statusScript, stopScript } from './job-scripts.ts'
import { bash } from './shell.ts'
import type { Shell } from './shell.ts'
import type { LogDigest } from './types.ts'

/** What the builder says about a job; its words are checked before anybody believes them. */
export type JobStatus =
  | { state: 'absent' }
  | { state: 'running'; process: string }
  | { state: 'done'; exitCode: number; logBytes: number }
  | { state: 'stopped' | 'rebooted' | 'killed'; logBytes: number }

/** An emulated builder hashes 256 MiB, the most that a log may have, in a minute or two. */
const digestLimitMs = 10 * 60_000
const idPattern = /^[a-z0-9][a-z0-9-]{0,79}$/

/** Starts a bash script as a job that outlives every connection; the same id again changes nothing. */
export async function startJob(shell: Shell, directory: string, id: string, script: string): Promise<void> {
  const size = String(Buffer.byteLength(script))
  await shell.run(bash(startScript, directory, checkedId(id), size), {
    what: `start of job ${id}`,
    stdin: script,
  })
}

/** Ends a job with every process that it started; a job that was never started cannot start any more. */
export async function stopJob(shell: Shell, directory: string, id: string): Promise<void> {
  await shell.run(bash(stopScript, directory, checkedId(id)), { what: `stop of job ${id}` })
}

/** Asks how a job is. */
export async function jobStatus(shell: Shell, directory: string, id: string): Promise<JobStatus> {
  const asked = bash(statusScript, jobDirectory(directory, id))
  const answer = (await shell.run(asked, { what: `status of job ${id}`, accept: 'any' })).stdout
    .toString()
    .trim()
  const status = parseStatus(answer)
  if (status) return status
  throw unreadable(shell, id, answer)
}

/** Asks what stands in a job's log, in its first `firstBytes` bytes at most. */
export async function jobLog(
  shell: Shell,
  directory: string,
  id: string,
  firstBytes: number,
): Promise<LogDigest> {
  const asked = bash(logScript, jobDirectory(directory, id), String(firstBytes))
  const options = { what: `digest of the log of job ${id}`, limitMs: digestLimitMs }
  const answer = (await shell.run(asked, options)).stdout.toString().trim()
  const [, size, sha256] = /^(\d{1,15}) ([0-9a-f]{64})$/.exec(answer) ?? []
  if (size === undefined || sha256 === undefined) throw unreadable(shell, id, answer)
  return { sizeBytes: Number(size), sha256 }
}

/** Where a job lives on the builder. */
export function jobDirectory(directory: string, id: string): string {
  return `${directory}/${checkedId(id)}`
}

function parseStatus(answer: string): JobStatus | undefined {
  const [state = '', first = '', second = ''] = answer.split(' ')
  if (state === 'absent') return { state }
  if (state === 'running' && /^\d{1,9}$/.test(first)) return { state, process: first }
  if (state === 'done' && /^\d{1,3}$/.test(first) && /^\d{1,15}$/.test(second)) {
    return { state, exitCode: Number(first), logBytes: Number(second) }
  }
  if ((state === 'stopped' || state === 'rebooted' || state === 'killed') && /^\d{1,15}$/.test(first)) {
    return { state, logBytes: Number(first) }
  }
  return undefined
}

function unreadable(shell: Shell, id: string, answer: string): FactoryError {
  return new FactoryError({
    code: 'job-status-unreadable',
    message: `builder ${shell.ref.machine} gave no sensible answer about job ${id}: ${JSON.stringify(answer.slice(0, 80))}`,
    hint: 'Something on the builder replaced its tools or its disk is broken; release again on a fresh builder.',
    class: 'infra',
  })
}

/** The id as it is; refuses what could leave the directory of the jobs, here or there. */
export function checkedId(id: string): string {
  if (idPattern.test(id)) return id
  throw new FactoryError({
    code: 'job-id-refused',
    message: `${JSON.stringify(id)} is no job id: lower-case letters, digits and dashes, at most 80`,
    class: 'bug',
  })
}
