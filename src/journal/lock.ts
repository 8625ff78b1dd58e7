import { existsSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { journalBroken } from './database.ts'

const heartbeatMs = 5_000
const lookMs = 500

/**
 * The lock of one engine: SQLite's lock on a file that is called by the engine's epoch. The kernel frees it however the
 * process ends, so no stale lock can stay behind; a process that is only stopped keeps it, and the file's time then
 * grows old. Undefined when somebody else holds it.
 */
export function tryLock(stateDirectory: string, epoch: number): Disposable | undefined {
  const file = lockFile(stateDirectory, epoch)
  let database: DatabaseSync | undefined
  try {
    // Whoever only looks holds the file for a moment; an engine holds it for good.
    database = new DatabaseSync(file, { timeout: lookMs })
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    if (isBusy(error)) return undefined
    throw journalBroken(file, error)
  }
  const held = database
  const beat = () => utimesSync(file, new Date(), new Date())
  const beating = setInterval(() => ifThere(beat), heartbeatMs)
  beating.unref()
  return {
    [Symbol.dispose]() {
      clearInterval(beating)
      held.close()
    },
  }
}

/** Whether somebody holds the lock of an engine; looking does not take it. */
export function isLocked(stateDirectory: string, epoch: number): boolean {
  const file = lockFile(stateDirectory, epoch)
  if (!existsSync(file)) return false
  using database = new DatabaseSync(file, { timeout: 0, readOnly: true })
  try {
    database.prepare('SELECT count(*) FROM sqlite_master').get()
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw journalBroken(file, error)
  }
}

/** Milliseconds since the engine of this epoch last showed a sign of life; undefined when it never did. */
export function silentForMs(stateDirectory: string, epoch: number): number | undefined {
  const found = statSync(lockFile(stateDirectory, epoch), { throwIfNoEntry: false })
  return found && Date.now() - found.mtimeMs
}

/** The newest epoch that has a lock file. */
export function newestLock(stateDirectory: string): number {
  const epochs = readdirSync(stateDirectory).map((name) =>
    Number(/^engine-(\d+)\.lock$/.exec(name)?.[1] ?? 0),
  )
  return Math.max(0, ...epochs)
}

/** Removes the lock files of engines that are gone. */
export function removeLocksBefore(stateDirectory: string, epoch: number): void {
  for (const name of readdirSync(stateDirectory)) {
    const found = /^engine-(\d+)\.lock(?:-journal)?$/.exec(name)?.[1]
    if (found !== undefined && Number(found) < epoch) rmSync(join(stateDirectory, name), { force: true })
  }
}

function lockFile(stateDirectory: string, epoch: number): string {
  return join(stateDirectory, `engine-${epoch}.lock`)
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 5
}

function ifThere(call: () => void): void {
  try {
    call()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
