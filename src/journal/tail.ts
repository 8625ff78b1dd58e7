import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { FactoryError } from '#src/errors.ts'
import { isIntact } from './checksum.ts'
import { journalVersion } from './records.ts'
import { tooNew } from './too-new.ts'
import { type Row, inTransaction, journalBroken, journalFile, openDatabase } from './database.ts'

/**
 * Looks at the end of a journal before an engine goes on with it: records at the end that are not what was written
 * are cut off, kept in a file beside it, and told by the text that is returned; so is what SQLite cuts off by itself
 * (`tornBytes`). Damage anywhere else is `journal-broken`: a history with holes is no history.
 */
export function repairTail(stateDirectory: string, tornBytes: number): string | undefined {
  const file = journalFile(stateDirectory)
  using database = openDatabase(stateDirectory)
  let rows: Row[]
  try {
    rows = database.prepare('SELECT * FROM records ORDER BY seq').all() as unknown as Row[]
  } catch (error) {
    throw journalBroken(file, error)
  }
  const newer = rows.find(({ version }) => version > journalVersion)
  if (newer) throw tooNew(file, newer.version)
  const intact = rows.map((row, index) => isIntact(row, rows[index - 1]))
  const good = intact.lastIndexOf(true) + 1
  const hole = intact.indexOf(false)
  if (hole !== -1 && hole < good) throw hasHole(file, rows[hole]!)
  const bad = rows.slice(good)
  if (bad.length === 0) return tornBytes === 0 ? undefined : tornMessage(file, tornBytes)
  const kept = join(stateDirectory, 'journal-cut.jsonl')
  appendFileSync(kept, bad.map((row) => `${JSON.stringify(row)}\n`).join(''), { mode: 0o600, flush: true })
  inTransaction(database, () => {
    database.prepare('DELETE FROM records WHERE seq >= ?').run(bad[0]!.seq)
  })
  return `the last ${bad.length} records of ${file} were not readable and were cut off (kept in ${kept}); what they said is done again`
}

function tornMessage(file: string, bytes: number): string {
  return `the last record of ${file} was not written to the end (${bytes} bytes of it) and was cut off; what it said is done again`
}

function hasHole(file: string, row: Row): FactoryError {
  return journalBroken(file, undefined, `record ${row.seq} in the middle of it is not what was written`)
}
