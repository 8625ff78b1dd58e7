import type { DatabaseSync } from 'node:sqlite'
import { FactoryError } from '#src/errors.ts'
import { checksumOf } from './checksum.ts'
import {
  type Row,
  inTransaction,
  journalBroken,
  journalFile,
  openDatabase,
  openReadOnly,
} from './database.ts'
import { freePlace } from './claims.ts'
import { type JournalRecord, type StoredRecord, journalRecord, journalVersion } from './records.ts'
import { type FactoryState, apply, emptyState } from './replay.ts'
import { tooNew } from './too-new.ts'

export type LeaseTaken = Extract<JournalRecord, { type: 'lease-taken' }>

/** What is written, for those who only look. */
export interface JournalReader extends Disposable {
  /** Everything derived from the records up to the newest, whoever wrote it. Shared and live: look, do not keep. */
  state(): FactoryState
  /** Records after a sequence number, oldest first. */
  read(afterSeq?: number): StoredRecord[]
}

/** The append-only record that everything else is derived from. */
export interface Journal extends JournalReader {
  /** Returns when the record is on the disk; the effect it announces may only come after. Throws `fenced` when a later engine is at work. */
  append(record: JournalRecord): void
  /** Appends all of them or none. */
  appendAll(records: readonly JournalRecord[]): void
  /** Appends the record if its cloud has fewer than `limit` machines of ours; says whether it did. */
  claim(record: LeaseTaken, limit: number): boolean
  /** Throws `fenced` when a later engine is at work. Asked right before every effect. */
  assertCurrent(): void
}

export interface JournalOptions {
  now?: () => number
  /** Of the engine that writes; without one the newest engine's is taken. */
  epoch?: number
}

/**
 * Opens a journal to look at it, also while an engine writes: nothing is made, changed, or tidied up. Where there is none
 * it is empty.
 */
export function readJournal(stateDirectory: string): JournalReader {
  const database = openReadOnly(stateDirectory)
  if (database === undefined) {
    const state = emptyState()
    return { state: () => state, read: () => [], [Symbol.dispose]: () => {} }
  }
  return readerOf(database, journalFile(stateDirectory))
}

/** Opens (or makes) the journal of a state directory. */
export function openJournal(stateDirectory: string, options: JournalOptions = {}): Journal {
  const file = journalFile(stateDirectory)
  const database = openDatabase(stateDirectory)
  const reader = readerOf(database, file)
  const now = options.now ?? Date.now
  const last = database.prepare('SELECT seq, epoch, checksum FROM records ORDER BY seq DESC LIMIT 1')

  function assertEpoch(newest: number): void {
    if (options.epoch !== undefined && newest > options.epoch) throw fenced(file, options.epoch, newest)
  }

  function insert(record: JournalRecord, body: string): void {
    const before = last.get() as Pick<Row, 'seq' | 'epoch' | 'checksum'> | undefined
    assertEpoch(before?.epoch ?? 0)
    const row = {
      seq: (before?.seq ?? 0) + 1,
      at: now(),
      version: journalVersion,
      epoch: options.epoch ?? before?.epoch ?? 0,
      body,
    }
    database
      .prepare('INSERT INTO records (seq, at, version, epoch, body, checksum) VALUES (?, ?, ?, ?, ?, ?)')
      .run(row.seq, row.at, row.version, row.epoch, row.body, checksumOf(before?.checksum ?? '', row))
    if (record.type === 'lease-released') {
      database.prepare('DELETE FROM claims WHERE lease = ?').run(record.leaseId)
    }
  }

  function appendAll(records: readonly JournalRecord[]): void {
    const rows = records.map((record) => ({ record, body: bodyOf(record) }))
    written(() => {
      for (const { record, body } of rows) insert(record, body)
    })
  }

  function written<T>(work: () => T): T {
    try {
      return inTransaction(database, work)
    } catch (error) {
      throw journalBroken(file, error)
    }
  }

  return {
    ...reader,
    append: (record) => appendAll([record]),
    appendAll,
    claim(record, limit) {
      const body = bodyOf(record)
      return written(() => {
        const place = freePlace(database, record.cloud, limit)
        if (place === undefined) return false
        const { cloud, lease } = record
        database
          .prepare('INSERT INTO claims (cloud, place, lease) VALUES (?, ?, ?)')
          .run(cloud, place, lease.id)
        insert(record, body)
        return true
      })
    },
    assertCurrent() {
      let newest: Pick<Row, 'epoch'> | undefined
      try {
        newest = last.get() as Pick<Row, 'epoch'> | undefined
      } catch (error) {
        throw journalBroken(file, error)
      }
      assertEpoch(newest?.epoch ?? 0)
    },
  }
}

function readerOf(database: DatabaseSync, file: string): JournalReader {
  const after = database.prepare('SELECT * FROM records WHERE seq > ? ORDER BY seq')
  const derived = { state: emptyState(), seq: 0 }
  const read = (afterSeq = 0) => {
    let rows: Row[]
    try {
      rows = after.all(afterSeq) as unknown as Row[]
    } catch (error) {
      throw journalBroken(file, error)
    }
    return rows.map((row) => readRow(file, row))
  }
  return {
    state() {
      for (const record of read(derived.seq)) {
        apply(derived.state, record)
        derived.seq = record.seq
      }
      return derived.state
    },
    read,
    [Symbol.dispose]: () => database.close(),
  }
}

/** A record that its own schema refuses is a defect and never reaches the disk. */
function bodyOf(record: JournalRecord): string {
  return JSON.stringify(journalRecord.parse(record))
}

function readRow(file: string, { seq, at, version, epoch, body }: Row): StoredRecord {
  if (version > journalVersion) throw tooNew(file, version)
  try {
    return { ...journalRecord.parse(JSON.parse(body)), seq, at, epoch: epoch ?? 0 }
  } catch (error) {
    throw journalBroken(file, error, `record ${seq} is not readable`)
  }
}

function fenced(file: string, ours: number, newest: number): FactoryError {
  return new FactoryError({
    code: 'fenced',
    message: `engine ${newest} took over the work in ${file}; this one (engine ${ours}) changes nothing any more`,
    hint: 'Watch the one that is at work with: factory status',
    class: 'interrupted',
    context: { ours, newest },
  })
}
