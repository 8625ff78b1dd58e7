import { createHash } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openJournal } from '#src/journal/journal.ts'
import { type StoredRecord, journalRecord } from '#src/journal/records.ts'
import { newWorld, startRun } from '#test/chaos/run.ts'

const dayMs = 24 * 60 * 60_000
const four = ['x86_64', 'aarch64', 'ppc64le', 's390x'] as const

/** A world whose last orchestrator was killed in the middle of four builds, after a history of this many records at least. */
export async function worldWithHistory(records: number): Promise<string> {
  const world = newWorld()
  const template = await wholeRelease()
  writeHistory(join(world, 'state'), template, records)
  const injection = { point: 'append container-built s390x #1', when: 'after', what: 'kill' } as const
  const killed = await startRun(world, { architectures: [...four], injection })
  if (killed.signal !== 'SIGKILL') throw new Error(`was not killed: ${killed.stderr}`)
  return world
}

/** What the real engine writes when it makes a release of four architectures. */
async function wholeRelease(): Promise<StoredRecord[]> {
  const world = newWorld()
  const { exitCode, stderr } = await startRun(world, { architectures: [...four] })
  if (exitCode !== 0) throw new Error(stderr)
  using journal = openJournal(join(world, 'state'))
  const records = journal.read()
  rmSync(world, { recursive: true })
  return records
}

/** One release a day, each by an engine of its own, the last one yesterday. */
function writeHistory(stateDirectory: string, template: readonly StoredRecord[], records: number): void {
  mkdirSync(stateDirectory)
  const releases = Math.ceil(records / template.length)
  for (let number = 1; number <= releases; number += 1) {
    const shiftMs = (releases - number + 1) * dayMs
    let at = 0
    using journal = openJournal(stateDirectory, { epoch: number, now: () => at - shiftMs })
    for (const record of template) {
      at = record.at
      journal.append(journalRecord.parse(JSON.parse(renamed(record, number, shiftMs))))
    }
  }
}

/** The same record of another release: other names, leases, keys and digests. */
function renamed(record: StoredRecord, number: number, shiftMs: number): string {
  const name = new Date(record.at - shiftMs).toISOString().slice(0, 10).replaceAll('-', '')
  const other = (hex: string) =>
    createHash('sha256').update(`${number} ${hex}`).digest('hex').slice(0, hex.length)
  const changed = record.type === 'engine-started' ? { ...record, epoch: number } : record
  return JSON.stringify(changed)
    .replaceAll(/\b[0-9a-f]{64}\b/g, other)
    .replaceAll(/(?<=-)[0-9a-f]{10}\b/g, other)
    .replaceAll(/\b\d{8}\.0\b/g, `${name}.0`)
}
