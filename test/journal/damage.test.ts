import { copyFileSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { execa } from 'execa'
import { beforeAll, expect, test } from 'vitest'
import { enterEngine } from '#src/journal/engine.ts'
import { openJournal, readJournal } from '#src/journal/journal.ts'

const written = 12
const names = ['journal.sqlite', 'journal.sqlite-wal'] as const

/** A state directory as a killed engine leaves it: records in the write-ahead log, nothing checkpointed. */
let killed: string

beforeAll(async () => {
  killed = emptyDirectory()
  const script = `
    const { enterEngine } = await import(${JSON.stringify(new URL('../../src/journal/engine.ts', import.meta.url).href)})
    const { engine } = enterEngine(${JSON.stringify(killed)})
    for (let i = 1; i < ${written}; i += 1) engine.journal.append({ type: 'release-resumed', release: 'r' + i })
    process.kill(process.pid, 'SIGKILL')`
  await execa(process.execPath, ['--input-type=module', '-e', script], { reject: false })
})

function emptyDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'factory-damage-'))
}

function copyOfKilled(): { directory: string; wal: string; database: string } {
  const directory = emptyDirectory()
  for (const name of names) copyFileSync(join(killed, name), join(directory, name))
  return { directory, wal: join(directory, names[1]), database: join(directory, names[0]) }
}

/** What an engine finds there: how many of the records are left, and what it says. */
function enter(directory: string): { kept: number; warning: string | undefined } {
  const entered = enterEngine(directory)
  if (!('engine' in entered)) throw new Error('somebody is at work')
  using engine = entered.engine
  const records = engine.journal.read()
  expect(records.map(({ seq }) => seq)).toEqual(records.map((_, index) => index + 1))
  return { kept: records.length - 1, warning: engine.warning }
}

test('an undamaged journal of a killed engine is whole and says nothing', () => {
  expect(enter(copyOfKilled().directory)).toEqual({ kept: written, warning: undefined })
})

test('a journal that is cut anywhere near its end is gone on with at the last whole record, and says so', () => {
  const bytes = readFileSync(join(killed, names[1])).length
  const frameBytes = 24 + 4096
  for (let cut = 1; cut < 3 * frameBytes; cut += 83) {
    const { directory, wal } = copyOfKilled()
    truncateSync(wal, bytes - cut)
    const { kept, warning } = enter(directory)
    expect(kept, `${cut} bytes cut`).toBeLessThan(written)
    expect(kept).toBeGreaterThan(written - 5)
    const atFrame = (bytes - 32 - cut) % frameBytes === 0
    if (!atFrame) expect(warning, `${cut} bytes cut`).toContain('not written to the end')
  }
})

test('a journal with a wrong byte anywhere near its end is gone on with before it, and says so', () => {
  const bytes = readFileSync(join(killed, names[1]))
  for (let back = 1; back < 2 * 4120; back += 137) {
    const { directory, wal } = copyOfKilled()
    const garbled = Buffer.from(bytes)
    const at = bytes.length - back
    garbled[at] = garbled[at]! ^ 0x40
    writeFileSync(wal, garbled)
    const { kept, warning } = enter(directory)
    expect(kept, `byte ${back} from the end`).toBeLessThan(written)
    expect(warning, `byte ${back} from the end`).toContain('not written to the end')
  }
})

test('records at the end that are not what was written are cut off, kept in a file, and told', () => {
  const { directory, database } = copyOfKilled()
  {
    using opened = new DatabaseSync(database)
    opened.exec(`UPDATE records SET body = replace(body, 'r11', 'r99') WHERE seq = ${written}`)
  }
  const { kept, warning } = enter(directory)
  expect(kept).toBe(written - 1)
  expect(warning).toContain('the last 1 records')
  expect(readFileSync(join(directory, 'journal-cut.jsonl'), 'utf8')).toContain('r99')
})

test('damage in the middle is refused: a history with a hole is no history', () => {
  const { directory, database } = copyOfKilled()
  {
    using opened = new DatabaseSync(database)
    opened.exec("UPDATE records SET body = replace(body, 'r5', 'r6') WHERE seq = 6")
  }
  expect(() => enter(directory)).toThrow(
    expect.objectContaining({
      code: 'journal-broken',
      message: expect.stringContaining('record 6 in the middle'),
      hint: expect.stringContaining('factory adopt'),
    }),
  )
})

test('a record that vanished from the middle is noticed', () => {
  const { directory, database } = copyOfKilled()
  {
    using opened = new DatabaseSync(database)
    opened.exec('DELETE FROM records WHERE seq = 4')
  }
  expect(() => enter(directory)).toThrow(expect.objectContaining({ code: 'journal-broken' }))
})

test('a journal of a newer factory is refused and left as it is', () => {
  const { directory, database } = copyOfKilled()
  {
    using opened = new DatabaseSync(database)
    opened.exec(`UPDATE records SET version = 99, checksum = 'other' WHERE seq > 9`)
  }
  expect(() => enter(directory)).toThrow(expect.objectContaining({ code: 'journal-too-new' }))
  using opened = new DatabaseSync(database)
  expect(opened.prepare('SELECT count(*) AS count FROM records').get()).toEqual({ count: written })
})

test('looking at a damaged journal leaves the damage for the engine to tell', () => {
  const { directory, wal } = copyOfKilled()
  truncateSync(wal, readFileSync(wal).length - 100)
  {
    using journal = readJournal(directory)
    expect(journal.read().length).toBeLessThan(written)
  }
  expect(enter(directory).warning).toContain('not written to the end')
})

test('a journal of version 1 is read, and gone on with', () => {
  const directory = emptyDirectory()
  {
    using old = new DatabaseSync(join(directory, names[0]))
    old.exec(
      'CREATE TABLE records (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL) STRICT',
    )
    const body = JSON.stringify({ type: 'release-resumed', release: 'old' })
    old.prepare('INSERT INTO records (at, version, body) VALUES (1, 1, ?)').run(body)
  }
  expect(enter(directory)).toEqual({ kept: 1, warning: undefined })
  expect(enter(directory)).toEqual({ kept: 2, warning: undefined })
})

test('a full disk stops before the next effect with a message, and what was written before is whole', async () => {
  await using disk = await tmpfs('1m')
  let appended = 0
  {
    using journal = openJournal(disk.path)
    const fill = () => {
      for (; appended < 10_000; appended += 1) {
        journal.append({ type: 'release-resumed', release: 'x'.repeat(1000) })
      }
    }
    expect(fill).toThrow(
      expect.objectContaining({ code: 'journal-broken', hint: expect.stringContaining('df -h') }),
    )
  }
  await execa('mount', ['-o', 'remount,size=4m', disk.path])
  using journal = openJournal(disk.path)
  expect(journal.read()).toHaveLength(appended)
})

test('a state directory that cannot be written is refused at once', async () => {
  await using disk = await tmpfs('1m')
  await execa('mount', ['-o', 'remount,ro', disk.path])
  expect(() => enterEngine(disk.path)).toThrow(
    expect.objectContaining({ code: 'journal-broken', message: expect.stringContaining(disk.path) }),
  )
})

async function tmpfs(size: string): Promise<AsyncDisposable & { path: string }> {
  const path = emptyDirectory()
  await execa('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path])
  return { path, [Symbol.asyncDispose]: async () => void (await execa('umount', ['-l', path])) }
}
