import type { DatabaseSync } from 'node:sqlite'
import { FactoryError } from '#src/errors.ts'
import { checksumOf } from './checksum.ts'
import { type Row, inTransaction, journalBroken, journalFile, openDatabase } from './database.ts'
import { type JournalRecord, type StoredRecord, journalRecord, journalVersion } from './records.ts'
import { type FactoryState, apply, emptyState } from './replay.ts'

export type LeaseTaken = Extract<JournalRecord, { type: 'lease-taken' }>

/** The append-only record that everything else is derived from. */
export interface Journal extends Disposable {
  /** Everything derived from the records up to the newest, whoever wrote it. Shared and live: look, do not keep. */
  state(): FactoryState
  /** Records after a sequence number, oldest first. */
  read(afterSeq?: number): StoredRecord[]
  /** Returns when the record is on the disk; the effect it announces may only come after. Throws `fenced` when a later engine is at work. */
  append(record: JournalRecord): void
  /** Appends the record if its cloud has fewer than `limit` machines of ours; says whether it did. */
  claim(record: LeaseTaken, limit: number): boolean
  /** Throws `fenced` when a later engine is at work. Asked right before every effect. */
  assertCurrent(): void
}

export interface JournalOptions {
  now?: () => number
  /** Of the engine that writes; without one (commands that are no engine) the newest engine's is taken. */
  epoch?: number
}

/** Opens (or makes) the journal of a state directory. Readers may open it while an engine writes. */
export function openJournal(stateDirectory: string, options: JournalOptions = {}): Journal {
  const file = journalFile(stateDirectory)
  const database = openDatabase(stateDirectory)
  const now = options.now ?? Date.now
  const last = database.prepare('SELECT seq, epoch, checksum FROM records ORDER BY seq DESC LIMIT 1')
  const after = database.prepare('SELECT * FROM records WHERE seq > ? ORDER BY seq')
  const derived = { state: emptyState(), seq: 0 }

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

  function written<T>(work: () => T): T {
    try {
      return inTransaction(database, work)
    } catch (error) {
      throw journalBroken(file, error)
    }
  }

  function read(afterSeq = 0): StoredRecord[] {
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
    append(record) {
      const body = bodyOf(record)
      written(() => insert(record, body))
    },
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
    assertCurrent: () => assertEpoch((last.get() as Pick<Row, 'epoch'> | undefined)?.epoch ?? 0),
    [Symbol.dispose]: () => database.close(),
  }
}

/** Claims follow from the records; an engine makes them anew at its start. */
export function rebuildClaims(stateDirectory: string, state: FactoryState): void {
  using database = openDatabase(stateDirectory)
  const open = state.leases.filter(({ released }) => !released)
  inTransaction(database, () => {
    database.exec('DELETE FROM claims')
    const insert = database.prepare('INSERT INTO claims (cloud, place, lease) VALUES (?, ?, ?)')
    for (const { cloud, lease } of open) {
      insert.run(cloud, freePlace(database, cloud, Number.MAX_SAFE_INTEGER) ?? 0, lease.id)
    }
  })
}

/** A record that its own schema refuses is a defect and never reaches the disk. */
function bodyOf(record: JournalRecord): string {
  return JSON.stringify(journalRecord.parse(record))
}

function freePlace(database: DatabaseSync, cloud: string, limit: number): number | undefined {
  const rows = database.prepare('SELECT place FROM claims WHERE cloud = ?').all(cloud)
  const taken = new Set(rows.map((row) => row['place']))
  for (let place = 0; place < limit; place += 1) if (!taken.has(place)) return place
  return undefined
}

function readRow(file: string, { seq, at, version, body }: Row): StoredRecord {
  if (version > journalVersion) {
    throw new FactoryError({
      code: 'journal-too-new',
      message: `${file} holds records of version ${version}, and this factory knows versions up to ${journalVersion}`,
      hint: 'Use the newer factory that wrote it, or point FACTORY_HOME at another state directory.',
      class: 'user',
    })
  }
  try {
    return { ...journalRecord.parse(JSON.parse(body)), seq, at }
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
