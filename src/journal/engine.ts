import { mkdirSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { journalBroken, journalFile, openDatabase } from './database.ts'
import { rebuildClaims } from './claims.ts'
import { type Journal, openJournal } from './journal.ts'
import { isLocked, newestLock, removeLocksBefore, silentForMs, tryLock } from './lock.ts'
import { repairTail } from './tail.ts'
import { tornWalBytes } from './wal.ts'

/** The one process that writes: it holds the lock of its epoch, and every record that it writes bears it. */
export interface Engine extends Disposable {
  readonly epoch: number
  readonly journal: Journal
  /** What was found wrong with the end of the journal, and what was done about it. */
  readonly warning: string | undefined
}

/** Somebody else is at work in this state directory. */
export interface EngineAtWork {
  readonly epoch: number
  /** Milliseconds since it showed a sign of life; it does every 5 s unless it is stopped. */
  readonly silentMs: number
}

/** A living engine shows itself every 5 s; after this long without it, it may be stopped. */
export const silentLimitMs = 30_000

/** An engine that showed itself within this many milliseconds is not gone past: it lives. */
export const aliveMs = 15_000

/**
 * Makes this process the engine of a state directory, with the next epoch. While another one lives, says so instead;
 * `takeOver` goes past one that shows no sign of life: whatever that one does later is refused by its epoch.
 */
export function enterEngine(
  stateDirectory: string,
  options: { takeOver?: boolean; now?: () => number } = {},
): { engine: Engine } | { atWork: EngineAtWork } {
  makeDirectory(stateDirectory)
  // Before anything opens the database: opening it cuts off what is torn, without a word.
  const tornBytes = engineAtWork(stateDirectory) ? 0 : tornWalBytes(`${journalFile(stateDirectory)}-wal`)
  for (;;) {
    const before = newestEpoch(stateDirectory)
    const epoch = before + 1
    using old = tryLock(stateDirectory, before)
    const other = atWork(stateDirectory, before)
    if (!old && !(options.takeOver && other.silentMs > aliveMs)) return { atWork: other }
    const lock = tryLock(stateDirectory, epoch)
    if (!lock) return { atWork: atWork(stateDirectory, epoch) }
    try {
      if (newestEpoch(stateDirectory) > epoch) {
        lock[Symbol.dispose]()
        continue
      }
      const warning = old ? repairTail(stateDirectory, tornBytes) : undefined
      const journal = openJournal(stateDirectory, { epoch, ...(options.now ? { now: options.now } : {}) })
      try {
        // Read before anything is written: a newer factory's journal is refused as it is.
        journal.state()
        journal.append({ type: 'engine-started', epoch, pid: process.pid, host: hostname() })
        rebuildClaims(stateDirectory, journal.state(), (options.now ?? Date.now)())
      } catch (error) {
        journal[Symbol.dispose]()
        throw error
      }
      removeLocksBefore(stateDirectory, before)
      return { engine: engineOf(epoch, journal, lock, warning) }
    } catch (error) {
      lock[Symbol.dispose]()
      throw error
    }
  }
}

/** Whether an engine holds its place, without taking it. */
export function engineAtWork(stateDirectory: string): EngineAtWork | undefined {
  if (!isDirectory(stateDirectory)) return undefined
  const epoch = newestLock(stateDirectory)
  return isLocked(stateDirectory, epoch) ? atWork(stateDirectory, epoch) : undefined
}

function engineOf(epoch: number, journal: Journal, lock: Disposable, warning: string | undefined): Engine {
  return {
    epoch,
    journal,
    warning,
    [Symbol.dispose]() {
      journal[Symbol.dispose]()
      lock[Symbol.dispose]()
    },
  }
}

function atWork(stateDirectory: string, epoch: number): EngineAtWork {
  return { epoch, silentMs: silentForMs(stateDirectory, epoch) ?? 0 }
}

function newestEpoch(stateDirectory: string): number {
  using database = openDatabase(stateDirectory)
  const row = database.prepare('SELECT epoch FROM records ORDER BY seq DESC LIMIT 1').get()
  return Math.max(Number(row?.['epoch'] ?? 0), newestLock(stateDirectory))
}

/** Throws `journal-broken` when something else is there. */
function isDirectory(stateDirectory: string): boolean {
  const found = statSync(stateDirectory, { throwIfNoEntry: false })
  if (found === undefined || found.isDirectory()) return found !== undefined
  throw journalBroken(journalFile(stateDirectory), undefined, `${stateDirectory} is no directory`)
}

function makeDirectory(stateDirectory: string): void {
  try {
    mkdirSync(stateDirectory, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw journalBroken(journalFile(stateDirectory), error)
  }
}
