import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { FactoryError } from '#src/errors.ts'
import { type JournalRecord, type StoredRecord, journalRecord, journalVersion } from './records.ts'

/** The append-only record that everything else is derived from. */
export interface Journal extends Disposable {
  /** Returns when the record is on the disk; the effect it announces may only come after. */
  append(record: JournalRecord): void
  read(): StoredRecord[]
}

/**
 * Opens (or makes) the journal of a state directory. WAL with synchronous=FULL: a record that `append` has
 * returned survives a power cut. Readers may open it while an engine writes.
 */
export function openJournal(stateDirectory: string, now: () => number = Date.now): Journal {
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 })
  const file = join(stateDirectory, 'journal.sqlite')
  const database = openDatabase(file)
  const insert = database.prepare('INSERT INTO records (at, version, body) VALUES (?, ?, ?)')
  const select = database.prepare('SELECT seq, at, version, body FROM records ORDER BY seq')
  return {
    append(record) {
      const body = JSON.stringify(journalRecord.parse(record))
      try {
        insert.run(now(), journalVersion, body)
      } catch (error) {
        throw journalBroken(file, error)
      }
    },
    read: () => select.all().map((row) => readRow(file, row)),
    [Symbol.dispose]: () => database.close(),
  }
}

function openDatabase(file: string): DatabaseSync {
  try {
    const database = new DatabaseSync(file, { timeout: 10_000 })
    database.exec('PRAGMA journal_mode = WAL')
    database.exec('PRAGMA synchronous = FULL')
    database.exec(
      `CREATE TABLE IF NOT EXISTS records (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        version INTEGER NOT NULL,
        body TEXT NOT NULL
      ) STRICT`,
    )
    return database
  } catch (error) {
    throw journalBroken(file, error)
  }
}

function readRow(file: string, row: Record<string, unknown>): StoredRecord {
  const { seq, at, version, body } = row as { seq: number; at: number; version: number; body: string }
  if (version > journalVersion) {
    throw new FactoryError({
      code: 'journal-too-new',
      message: `${file} holds records of version ${version}, and this factory knows versions up to ${journalVersion}`,
      hint: 'Use the newer factory that wrote it, or point FACTORY_HOME at another state directory.',
      class: 'user',
    })
  }
  const parsed = journalRecord.safeParse(JSON.parse(body))
  if (!parsed.success) throw journalBroken(file, parsed.error, `record ${seq} is not readable`)
  return { ...parsed.data, seq, at }
}

function journalBroken(file: string, cause: unknown, what?: string): FactoryError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new FactoryError({
    code: 'journal-broken',
    message: `the journal ${file} cannot be used: ${what ?? reason}`,
    hint: `Check the disk's free space and rights with: df -h ${file}; ls -l ${file}`,
    class: 'infra',
    cause,
  })
}
