import { once } from 'node:events'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { type Engine, engineAtWork, enterEngine } from '#src/journal/engine.ts'
import { type LeaseTaken, openJournal, readJournal } from '#src/journal/journal.ts'
import { ageLocks } from '#test/chaos/stopped.ts'

const release = '20261121.0'

function emptyDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'factory-engine-'))
}

function enter(directory: string, takeOver = false): Engine {
  const entered = enterEngine(directory, { takeOver })
  if ('engine' in entered) return entered.engine
  throw new Error(`engine ${entered.atWork.epoch} is at work`)
}

function leaseTaken(id: string, cloud = 'lab', expires = '2026-11-21T04:00:00Z'): LeaseTaken {
  const lease = { id, owner: 'lab', release, arch: 's390x', expires } as const
  return { type: 'lease-taken', release, cloud, lease, purpose: 'build', dataBytes: 1 }
}

test('one engine works at a time, each with the next epoch', () => {
  const directory = emptyDirectory()
  {
    using first = enter(directory)
    expect(first.epoch).toBe(1)
    expect(enterEngine(directory)).toMatchObject({ atWork: { epoch: 1 } })
    expect(engineAtWork(directory)).toMatchObject({ epoch: 1 })
  }
  expect(engineAtWork(directory)).toBeUndefined()
  using second = enter(directory)
  expect(second.epoch).toBe(2)
  expect(second.journal.state().engine).toMatchObject({ epoch: 2, pid: process.pid })
})

test('frees the place when the engine is killed without warning', async () => {
  const directory = emptyDirectory()
  const script = `
    const { enterEngine } = await import(${JSON.stringify(new URL('../../src/journal/engine.ts', import.meta.url).href)})
    globalThis.held = enterEngine(${JSON.stringify(directory)}); console.log('entered'); setInterval(() => {}, 1000)`
  const holder = execa(process.execPath, ['--input-type=module', '-e', script], { reject: false })
  await once(holder.stdout, 'data')
  expect(engineAtWork(directory)).toMatchObject({ epoch: 1 })
  holder.kill('SIGKILL')
  await holder
  using next = enter(directory)
  expect(next.epoch).toBe(2)
})

test('an engine that was taken over can write nothing, claim nothing and is told so before any effect', () => {
  const directory = emptyDirectory()
  using old = enter(directory)
  expect(() => enter(directory)).toThrow()
  expect(() => enter(directory, true), 'it is alive').toThrow()
  ageLocks(directory)
  using next = enter(directory, true)
  const refused = expect.objectContaining({ code: 'fenced', class: 'interrupted' })
  expect(() => old.journal.append({ type: 'release-resumed', release })).toThrow(refused)
  expect(() => old.journal.claim(leaseTaken('a'), 9)).toThrow(refused)
  expect(() => old.journal.assertCurrent()).toThrow(refused)
  next.journal.append({ type: 'release-resumed', release })
  expect(next.journal.read().map(({ type }) => type)).toEqual([
    'engine-started',
    'engine-started',
    'release-resumed',
  ])
})

test('says how long an engine has shown no sign of life', () => {
  const directory = emptyDirectory()
  using engine = enter(directory)
  const longAgo = new Date(Date.now() - 60_000)
  utimesSync(join(directory, `engine-${engine.epoch}.lock`), longAgo, longAgo)
  expect(engineAtWork(directory)?.silentMs).toBeGreaterThan(59_000)
})

test('no more machines are claimed than a cloud may have, and one given back makes a place', () => {
  using engine = enter(emptyDirectory())
  const { journal } = engine
  expect(['a', 'b', 'c'].map((id) => journal.claim(leaseTaken(id), 2))).toEqual([true, true, false])
  expect(journal.claim(leaseTaken('d', 'elsewhere'), 2)).toBe(true)
  expect(journal.state().leases.map(({ lease }) => lease.id)).toEqual(['a', 'b', 'd'])
  journal.append({ type: 'lease-released', release, leaseId: 'a' })
  expect(journal.claim(leaseTaken('c'), 2)).toBe(true)
})

test('what an engine that was killed had claimed stays claimed', () => {
  const directory = emptyDirectory()
  {
    using engine = enter(directory)
    engine.journal.claim(leaseTaken('a', 'lab', new Date().toISOString()), 1)
  }
  using next = enter(directory)
  expect(next.journal.claim(leaseTaken('b'), 1)).toBe(false)
})

test('two processes that claim at once get no more places than there are', async () => {
  const directory = emptyDirectory()
  {
    using _engine = enter(directory)
  }
  const script = `
    const { openJournal } = await import(${JSON.stringify(new URL('../../src/journal/journal.ts', import.meta.url).href)})
    using journal = openJournal(${JSON.stringify(directory)})
    const taken = ${JSON.stringify(leaseTaken('ID'))}
    let got = 0
    for (let i = 0; i < 40; i += 1) {
      const lease = { ...taken.lease, id: process.pid + '-' + i }
      if (journal.claim({ ...taken, lease }, 30)) got += 1
    }
    console.log(got)`
  const run = () => execa(process.execPath, ['--input-type=module', '-e', script])
  const got = await Promise.all([run(), run(), run()])
  expect(got.map(({ stdout }) => Number(stdout)).reduce((sum, count) => sum + count)).toBe(30)
  using journal = openJournal(directory)
  expect(journal.state().leases).toHaveLength(30)
})

test('the place of a machine whose lease was over long ago is free for the next engine', () => {
  const directory = emptyDirectory()
  {
    using engine = enter(directory)
    engine.journal.claim(leaseTaken('a'), 1)
  }
  using next = enter(directory)
  expect(next.journal.claim(leaseTaken('b'), 1)).toBe(true)
})

test('looking makes nothing, not even a directory', () => {
  const directory = join(emptyDirectory(), 'nothing')
  using journal = readJournal(directory)
  expect(journal.read()).toEqual([])
  expect(engineAtWork(directory)).toBeUndefined()
  expect(existsSync(directory)).toBe(false)
})

test('looking again and again never keeps an engine from its place', async () => {
  const directory = emptyDirectory()
  enter(directory)[Symbol.dispose]()
  const script = `
    const { engineAtWork } = await import(${JSON.stringify(new URL('../../src/journal/engine.ts', import.meta.url).href)})
    console.log('looking'); for (;;) engineAtWork(${JSON.stringify(directory)})`
  const looking = execa(process.execPath, ['--input-type=module', '-e', script], { reject: false })
  await once(looking.stdout, 'data')
  for (let times = 0; times < 20; times += 1) enter(directory)[Symbol.dispose]()
  looking.kill('SIGKILL')
  await looking
})

test('a lock file of nobody does not keep an engine out', () => {
  const directory = emptyDirectory()
  enter(directory)[Symbol.dispose]()
  appendFileSync(join(directory, 'engine-7.lock'), '')
  using engine = enter(directory)
  expect(engine.epoch).toBe(8)
  expect(readFileSync(join(directory, 'engine-8.lock'))).toHaveLength(0)
})
