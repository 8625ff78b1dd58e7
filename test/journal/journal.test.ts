import { cpSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { openJournal, readJournal } from '#src/journal/journal.ts'
import type { JournalRecord } from '#src/journal/records.ts'
import { replay } from '#src/journal/replay.ts'

const opened: JournalRecord = {
  type: 'release-opened',
  release: '20261121.0',
  key: 'k',
  owner: 'lab',
  imageName: 'lab',
  inputs: { any: 'json' },
  builds: [{ arch: 's390x', buildKey: 'b', why: 'first release' }],
  destinations: [{ cloud: 'lab', region: 'local', arch: 's390x', format: 'raw', verify: true }],
}

const image = {
  cloud: 'lab',
  kind: 'libvirt',
  region: 'local',
  arch: 's390x',
  id: 'v',
  name: 'n',
  format: 'raw',
  sha256: 'a'.repeat(64),
  sizeBytes: 1,
  release: '20261121.0',
} as const

function emptyDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'factory-journal-'))
}

test('keeps records in order across reopening, with the time they were written', () => {
  const directory = emptyDirectory()
  {
    using journal = openJournal(directory, { now: () => 1000 })
    journal.append(opened)
    journal.append({ type: 'step-started', release: '20261121.0', arch: 's390x', step: 'lease' })
  }
  using journal = openJournal(directory)
  expect(journal.read().map(({ seq, at, type }) => [seq, at, type])).toEqual([
    [1, 1000, 'release-opened'],
    [2, 1000, 'step-started'],
  ])
})

test('writes with a full sync in WAL mode, so that what append returned survives a power cut', () => {
  const directory = emptyDirectory()
  using journal = openJournal(directory)
  journal.append(opened)
  using database = new DatabaseSync(join(directory, 'journal.sqlite'))
  expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
})

test('refuses a record that its own schema does not know, and writes nothing', () => {
  using journal = openJournal(emptyDirectory())
  expect(() => journal.append({ ...opened, builds: [{ arch: 'vax' }] } as unknown as JournalRecord)).toThrow()
  expect(journal.read()).toEqual([])
})

test('refuses a journal that a newer factory wrote', () => {
  const directory = emptyDirectory()
  using journal = openJournal(directory)
  using database = new DatabaseSync(join(directory, 'journal.sqlite'))
  database.prepare('INSERT INTO records (at, version, body) VALUES (1, 99, ?)').run('{}')
  expect(() => journal.read()).toThrow(expect.objectContaining({ code: 'journal-too-new' }))
})

test('whose maker was killed before it had a table is none yet for a reader, and is made whole by the next engine', () => {
  const [made, killed] = [emptyDirectory(), emptyDirectory()]
  {
    // As it lies on the disk in the middle of a change without WAL: SQLite has written pages that it would roll back.
    using database = new DatabaseSync(join(made, 'journal.sqlite'))
    database.exec('PRAGMA cache_size = 1; CREATE TABLE filler (bytes); BEGIN')
    for (let row = 0; row < 200; row += 1) database.exec('INSERT INTO filler VALUES (randomblob(4000))')
    cpSync(made, killed, { recursive: true })
    database.exec('ROLLBACK')
  }
  expect(readdirSync(killed)).toContain('journal.sqlite-journal')
  {
    using reader = readJournal(killed)
    expect(reader.read()).toEqual([])
  }
  using journal = openJournal(killed)
  journal.append(opened)
  expect(journal.read()).toHaveLength(1)
})

test('says which file is broken when the journal is no database', async () => {
  const directory = emptyDirectory()
  await execa('dd', ['if=/dev/zero', `of=${join(directory, 'journal.sqlite')}`, 'bs=4096', 'count=4'])
  expect(() => openJournal(directory)).toThrow(
    expect.objectContaining({ code: 'journal-broken', message: expect.stringContaining('journal.sqlite') }),
  )
})

test('replays the same records to the same state: steps, leases, images and their verification', () => {
  using journal = openJournal(emptyDirectory())
  const release = '20261121.0'
  const lease = {
    id: 's390x-1',
    owner: 'lab',
    release,
    arch: 's390x',
    expires: '2026-11-21T04:00:00Z',
  } as const
  for (const record of [
    opened,
    { type: 'lease-taken', release, cloud: 'lab', lease, purpose: 'build', dataBytes: 5 },
    { type: 'step-started', release, arch: 's390x', step: 'disks' },
    {
      type: 'step-failed',
      release,
      arch: 's390x',
      step: 'disks',
      durationMs: 1,
      error: { code: 'disk-full', class: 'disk-full', message: 'full' },
    },
    { type: 'step-started', release, arch: 's390x', step: 'disks' },
    { type: 'step-finished', release, arch: 's390x', step: 'disks', durationMs: 7, summary: 'raw' },
    { type: 'image-published', release, image },
    {
      type: 'image-verified',
      release,
      imageId: 'v',
      arch: 's390x',
      cloud: 'lab',
      region: 'local',
      result: 'passed',
      how: 'booted',
    },
  ] satisfies JournalRecord[]) {
    journal.append(record)
  }
  const state = replay(journal.read())
  expect(state).toEqual(replay(journal.read()))
  expect(state.leases).toMatchObject([{ lease: { id: 's390x-1' }, released: false }])
  expect(state.releases[0]?.steps).toMatchObject([{ step: 'disks', state: 'finished', summary: 'raw' }])
  expect(state.releases[0]?.images[0]?.verification).toEqual({ result: 'passed', how: 'booted' })
  journal.append({ type: 'lease-released', release, leaseId: 's390x-1' })
  expect(replay(journal.read()).leases[0]?.released).toBe(true)
})
