import { readFileSync, writeFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Journal } from '#src/journal/journal.ts'
import type { StoredRecord } from '#src/journal/records.ts'
import type { Notifier } from '#src/notify/notifier.ts'
import { noticesOf } from '#src/notify/notices.ts'

const lookEveryMs = 1_000

/**
 * Tells people of what is written into the journal, from where the process before this one left off. Killed between the
 * telling and its note, the same message comes once more under the same id.
 */
export async function tellOf(
  journal: Pick<Journal, 'read' | 'state'>,
  { stateDirectory, notifier, signal }: { stateDirectory: string; notifier: Notifier; signal: AbortSignal },
  sleep: (ms: number) => Promise<void>,
): Promise<void> {
  const file = join(stateDirectory, 'told')
  let told = beginning(journal.read(), readTold(file))
  while (!signal.aborted) {
    const records = journal.read(told)
    for (const record of records)
      for (const notice of noticesOf(record, journal.state())) notifier.tell(notice)
    const last = records.at(-1)?.seq
    if (last !== undefined || readTold(file) === undefined) {
      told = last ?? told
      await writeTold(file, told)
    }
    await sleep(lookEveryMs)
  }
}

/**
 * Where nothing is noted, after the record with which this engine began. A note that is ahead of the journal was made of
 * another one, which was lost.
 */
function beginning(records: readonly StoredRecord[], noted: number | undefined): number {
  const newest = records.at(-1)?.seq ?? 0
  const started = records.findLast(({ type }) => type === 'engine-started')?.seq ?? newest
  return noted === undefined || noted > newest ? started : noted
}

function readTold(file: string): number | undefined {
  try {
    const text = readFileSync(file, 'utf8')
    // A power cut may have left it empty.
    return /^\d+$/.test(text) ? Number(text) : undefined
  } catch {
    return undefined
  }
}

async function writeTold(file: string, seq: number): Promise<void> {
  writeFileSync(`${file}.new`, String(seq), { mode: 0o600 })
  await rename(`${file}.new`, file)
}
