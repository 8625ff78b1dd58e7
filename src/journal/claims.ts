import type { DatabaseSync } from 'node:sqlite'
import { inTransaction, openDatabase } from './database.ts'
import type { LeaseState } from './leases.ts'
import type { FactoryState } from './replay.ts'

/** A machine whose lease was over for so long has ended itself: its cloud may be gone for good, its place is free. */
const longOverMs = 3_600_000

/** Whether a machine that was rented, as far as we know, still takes a place. */
export function holdsPlace({ released, expires }: LeaseState, nowMs: number): boolean {
  return !released && Date.parse(expires) + longOverMs > nowMs
}

/** Claims follow from the records; an engine makes them anew at its start. */
export function rebuildClaims(stateDirectory: string, state: FactoryState, nowMs: number): void {
  using database = openDatabase(stateDirectory)
  const open = state.leases.filter((lease) => holdsPlace(lease, nowMs))
  inTransaction(database, () => {
    database.exec('DELETE FROM claims')
    const insert = database.prepare('INSERT INTO claims (cloud, place, lease) VALUES (?, ?, ?)')
    for (const { cloud, lease } of open) {
      insert.run(cloud, freePlace(database, cloud, Number.MAX_SAFE_INTEGER) ?? 0, lease.id)
    }
  })
}

/** The first place of a cloud that no machine of ours has; undefined when all of them are taken. */
export function freePlace(database: DatabaseSync, cloud: string, limit: number): number | undefined {
  const rows = database.prepare('SELECT place FROM claims WHERE cloud = ?').all(cloud)
  const taken = new Set(rows.map((row) => row['place']))
  for (let place = 0; place < limit; place += 1) if (!taken.has(place)) return place
  return undefined
}
