import type { Journal } from '#src/journal/journal.ts'
import { type JournalRecord, type StoredRecord, journalRecord } from '#src/journal/records.ts'
import { apply, emptyState } from '#src/journal/replay.ts'

export type MemoryJournal = Pick<Journal, 'append' | 'appendAll' | 'state'> & { records: StoredRecord[] }

/** A journal without a disk: the same records, the same replay, thousands of times faster. */
export function memoryJournal(now: () => number): MemoryJournal {
  const state = emptyState()
  const records: StoredRecord[] = []
  const append = (record: JournalRecord) => {
    const stored = { ...journalRecord.parse(record), seq: records.length + 1, at: now(), epoch: 1 }
    records.push(stored)
    apply(state, stored)
  }
  return {
    records,
    state: () => state,
    append,
    appendAll: (all) => {
      for (const record of all) append(record)
    },
  }
}
