import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { FactoryError } from '#src/errors.ts'

/** One record as it lies in the database. */
export interface Row {
  seq: number
  /** Milliseconds since the epoch of the clock. */
  at: number
  version: number
  /** Of the engine that wrote it. */
  epoch: number
  body: string
  /** Hex sha256 over the checksum of the row before and all of this one; empty in rows of version 1. */
  checksum: string
}

export function journalFile(stateDirectory: string): string {
  return join(stateDirectory, 'journal.sqlite')
}

/**
 * Opens (or makes) the database of a journal. WAL with synchronous=FULL: what was committed survives a power cut.
 * Throws `journal-broken`.
 */
export function openDatabase(stateDirectory: string): DatabaseSync {
  const file = journalFile(stateDirectory)
  try {
    mkdirSync(stateDirectory, { recursive: true, mode: 0o700 })
    const database = new DatabaseSync(file, { timeout: 10_000 })
    database.exec('PRAGMA journal_mode = WAL')
    database.exec('PRAGMA synchronous = FULL')
    database.exec(
      `CREATE TABLE IF NOT EXISTS records (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        version INTEGER NOT NULL,
        body TEXT NOT NULL,
        epoch INTEGER NOT NULL DEFAULT 0,
        checksum TEXT NOT NULL DEFAULT ''
      ) STRICT`,
    )
    addColumns(database)
    // A place for a machine of a cloud: the primary key is what keeps two from taking the same one.
    database.exec(
      `CREATE TABLE IF NOT EXISTS claims (
        cloud TEXT NOT NULL,
        place INTEGER NOT NULL,
        lease TEXT NOT NULL UNIQUE,
        PRIMARY KEY (cloud, place)
      ) STRICT`,
    )
    return database
  } catch (error) {
    throw journalBroken(file, error)
  }
}

/** Opens a database that is there already, only to look: it is not changed, and not tidied up when it is closed. */
export function openReadOnly(stateDirectory: string): DatabaseSync | undefined {
  const file = journalFile(stateDirectory)
  if (!existsSync(file)) {
    if (!existsSync(stateDirectory) || statSync(stateDirectory).isDirectory()) return undefined
    throw journalBroken(file, undefined, `${stateDirectory} is no directory`)
  }
  try {
    const database = new DatabaseSync(file, { timeout: 10_000, readOnly: true })
    // Its maker may have been stopped before it had a table.
    const made = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'records'").get()
    if (made) return database
    database.close()
    return undefined
  } catch (error) {
    if ((error as { errcode?: number }).errcode === hotRollbackJournal) return undefined
    throw journalBroken(file, error)
  }
}

/**
 * SQLITE_READONLY_ROLLBACK (https://www.sqlite.org/rescode.html): there is something to roll back, which whoever only looks
 * may not do. That only happens before the first switch to WAL, so the maker was killed before it had a table.
 */
const hotRollbackJournal = 776

/** Journals of version 1 had neither epochs nor checksums. */
function addColumns(database: DatabaseSync): void {
  const columns = database.prepare('PRAGMA table_info(records)').all()
  if (columns.some((column) => column['name'] === 'epoch')) return
  database.exec('ALTER TABLE records ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0')
  database.exec("ALTER TABLE records ADD COLUMN checksum TEXT NOT NULL DEFAULT ''")
}

/** Runs several statements as one: all of them are on the disk when it returns, or none. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    // After some failures (a full disk) SQLite has rolled back by itself.
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

export function journalBroken(file: string, cause: unknown, what?: string): FactoryError {
  if (cause instanceof FactoryError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new FactoryError({
    code: 'journal-broken',
    message: `the journal ${file} cannot be used: ${what ?? reason}`,
    hint:
      `Check the disk's free space and rights with: df -h ${file}; ls -l ${file}. ` +
      'If the file itself is damaged, move it away and let factory adopt find again what the clouds hold.',
    class: 'infra',
    cause,
  })
}
