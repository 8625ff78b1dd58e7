import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { FactoryError } from '#src/errors.ts'
import { syncDirectory } from '#src/sync-directory.ts'
import { checkedId } from './jobs.ts'
import type { LogDigest } from './types.ts'

/** Our own copy of a job's log: the bytes as the builder wrote them, so secrets in it are not masked. */
export interface JobLogCopy extends AsyncDisposable {
  readonly file: string
  /** Bytes that an earlier run has taken already: the log is followed on from here. */
  readonly keptBytes: number
  /** Those bytes, from the first. */
  kept(): AsyncIterable<Uint8Array>
  append(bytes: Uint8Array): Promise<void>
  /** Syncs the copy with its name, and says what of it is on the disk. */
  seal(): Promise<LogDigest>
}

/**
 * Opens the copy of a job's log in a directory (0700, made if need be), or begins it. All that goes wrong with the file
 * is `job-log-not-kept`: a log that is silently cut short is worse than a release that stops.
 */
export async function openJobLog(directory: string, id: string): Promise<JobLogCopy> {
  return openCopy(directory, jobLogFile(directory, id), 'go on')
}

/** Begins a second copy beside the first, from nothing; `replaceJobLog` puts it in the first one's place. */
export async function openSecondJobLog(directory: string, id: string): Promise<JobLogCopy> {
  return openCopy(directory, `${jobLogFile(directory, id)}.second`, 'anew')
}

/**
 * Puts the second copy in the place of the first. The first one stays beside it as `….replaced`: when the machine
 * restarted, it may hold an end of the log that the builder itself has lost.
 */
export async function replaceJobLog(directory: string, id: string): Promise<void> {
  const file = jobLogFile(directory, id)
  await keeping(file, async () => {
    await rename(file, `${file}.replaced`)
    await rename(`${file}.second`, file)
    await syncDirectory(directory)
  })
}

function jobLogFile(directory: string, id: string): string {
  return join(directory, `${checkedId(id)}.log`)
}

async function openCopy(directory: string, file: string, how: 'go on' | 'anew'): Promise<JobLogCopy> {
  const handle = await keeping(file, async () => {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const { O_RDWR, O_CREAT, O_TRUNC } = constants
    return await open(file, O_RDWR | O_CREAT | (how === 'anew' ? O_TRUNC : 0), 0o600)
  })
  await using opening = new AsyncDisposableStack()
  opening.use(handle)
  const keptBytes = await keeping(file, async () => (await handle.stat()).size)
  const opened = opening.move()
  let at = keptBytes
  // Each byte goes to its own place: a run that was stopped and wakes beside its successor writes the same there.
  const writeOn = async (bytes: Uint8Array) => {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at)
      done += bytesWritten
      at += bytesWritten
    }
  }
  return {
    file,
    keptBytes,
    kept: () => firstBytes(file, keptBytes),
    append: (bytes) => keeping(file, () => writeOn(bytes)),
    seal: () =>
      keeping(file, async () => {
        await handle.sync()
        await syncDirectory(directory)
        return await digestOf(file)
      }),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

async function* firstBytes(file: string, count: number): AsyncGenerator<Uint8Array> {
  if (count === 0) return
  try {
    yield* createReadStream(file, { end: count - 1 })
  } catch (cause) {
    throw notKept(file, cause)
  }
}

async function digestOf(file: string): Promise<LogDigest> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    sizeBytes += chunk.length
  }
  return { sizeBytes, sha256: hash.digest('hex') }
}

async function keeping<T>(file: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (cause) {
    throw notKept(file, cause)
  }
}

function notKept(file: string, cause: unknown): FactoryError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new FactoryError({
    code: 'job-log-not-kept',
    message: `the log of a job cannot be kept in ${file}: ${reason}`,
    hint: 'Make room in the state directory or mend its rights (df -h and ls -l on this path), or set FACTORY_HOME to another disk; then: factory release',
    class: 'user',
    cause,
    context: { file },
  })
}
