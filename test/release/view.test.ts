import { once } from 'node:events'
import { mkdtempSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, expect, test, vi } from 'vitest'
import type { FactoryEvent } from '#src/events.ts'
import { type Engine, engineAtWork, enterEngine } from '#src/journal/engine.ts'
import type { JournalRecord } from '#src/journal/records.ts'
import { viewRelease } from '#src/release/view.ts'

const release = '20261121.0'
const opened: JournalRecord = {
  type: 'release-opened',
  release,
  key: 'k',
  owner: 'lab',
  imageName: 'lab',
  inputs: {},
  builds: [{ arch: 's390x', buildKey: 'b', why: 'first release' }],
  destinations: [{ cloud: 'lab', region: 'host', arch: 's390x', format: 'raw', verify: true }],
}
const place = { release, arch: 's390x' } as const
const error = { code: 'a-b', class: 'user', message: 'no', hint: 'mend it' } as const

afterEach(() => void vi.useRealTimers())

function emptyDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'factory-view-'))
}

/** An engine in this process, which writes what the tests say. */
function enter(directory: string): Engine {
  const entered = enterEngine(directory)
  if ('engine' in entered) return entered.engine
  throw new Error('another engine is at work')
}

/** A viewer, what it has shown, and a way to wait until it has shown so many events of a type. */
function view(directory: string) {
  const events: FactoryEvent[] = []
  let told = Promise.withResolvers<void>()
  const listener = (event: FactoryEvent) => {
    events.push(event)
    told.resolve()
    told = Promise.withResolvers<void>()
  }
  const until = async (type: FactoryEvent['type'], count = 1) => {
    while (events.filter((event) => event.type === type).length < count) await told.promise
  }
  return { events, until, end: viewRelease(directory, listener, new AbortController().signal) }
}

/** Type, step and what became of it. */
function shown(events: readonly FactoryEvent[]): string[] {
  return events.map((event) => ('step' in event ? `${event.type} ${event.step}` : event.type))
}

test('shows what is started, finished and failed as it is written, and ends with the outcome', async () => {
  const directory = emptyDirectory()
  using engine = enter(directory)
  const { journal } = engine
  journal.append(opened)
  journal.append({ type: 'step-started', ...place, step: 'lease' })
  const viewer = view(directory)
  await viewer.until('step-started')
  expect(viewer.events).toMatchObject([
    {
      type: 'release-started',
      release,
      key: 'k',
      resumed: false,
      builds: [{ arch: 's390x', why: 'first release' }],
      destinations: [{ cloud: 'lab', region: 'host' }],
    },
    { type: 'step-started', arch: 's390x', step: 'lease' },
  ])

  journal.append({ type: 'step-finished', ...place, step: 'lease', durationMs: 5, summary: 'vm-1 from lab' })
  await viewer.until('step-finished')
  expect(viewer.events.at(-1)).toMatchObject({ durationMs: 5, summary: 'vm-1 from lab' })
  journal.append({ type: 'step-started', ...place, step: 'publish', target: 'lab/host' })
  journal.append({ type: 'step-failed', ...place, step: 'publish', target: 'lab/host', durationMs: 7, error })
  await viewer.until('step-failed')
  expect(viewer.events.at(-1)).toMatchObject({ target: 'lab/host', error, willRetry: false })
  journal.append({ type: 'release-closed', release, outcome: 'failed', durationMs: 20 })
  expect(await viewer.end).toEqual({ key: 'k', outcome: 'failed' })
  expect(viewer.events.at(-1)).toMatchObject({
    type: 'release-finished',
    outcome: 'failed',
    manifest: join(directory, 'releases', release, 'release.json'),
  })
  expect(shown(viewer.events)).toEqual([
    'release-started',
    'step-started lease',
    'step-finished lease',
    'step-started publish',
    'step-failed publish',
    'release-finished',
  ])
})

test('shows only the present run of a release that was gone on with, and nothing of others', async () => {
  const directory = emptyDirectory()
  using engine = enter(directory)
  const { journal } = engine
  journal.append(opened)
  journal.append({ type: 'step-started', ...place, step: 'lease' })
  journal.append({ type: 'release-closed', release, outcome: 'failed', durationMs: 1 })
  journal.append({ type: 'release-resumed', release })
  journal.append({ type: 'step-started', ...place, step: 'disks', release: '20261120.0' })
  journal.append({ type: 'step-started', ...place, step: 'verify' })
  journal.append({ type: 'release-closed', release, outcome: 'done', durationMs: 1 })
  journal.append({ type: 'release-resumed', release })
  const viewer = view(directory)
  await viewer.until('release-started')
  expect(viewer.events).toMatchObject([{ type: 'release-started', resumed: true }])
  journal.append({ type: 'release-closed', release, outcome: 'done', durationMs: 1 })
  expect(await viewer.end).toEqual({ key: 'k', outcome: 'done' })
})

test('waits for an engine that has not opened its release yet', async () => {
  const directory = emptyDirectory()
  using engine = enter(directory)
  const viewer = view(directory)
  engine.journal.append(opened)
  await viewer.until('release-started')
  engine.journal.append({ type: 'release-closed', release, outcome: 'done', durationMs: 1 })
  expect(await viewer.end).toEqual({ key: 'k', outcome: 'done' })
})

test('an engine that has nothing to do ends the view with nothing', async () => {
  const directory = emptyDirectory()
  enter(directory)[Symbol.dispose]()
  expect(await view(directory).end).toEqual({})
})

test('an engine that is killed ends the view without an outcome, after all that it has written', async () => {
  const directory = emptyDirectory()
  const module = JSON.stringify(new URL('../../src/journal/engine.ts', import.meta.url).href)
  const script = `
    const { enterEngine } = await import(${module})
    const { engine } = enterEngine(${JSON.stringify(directory)})
    engine.journal.append(${JSON.stringify(opened)})
    process.stdin.once('data', () => {
      engine.journal.append(${JSON.stringify({ type: 'step-started', ...place, step: 'disks' })})
      process.kill(process.pid, 'SIGKILL')
    })
    console.log('opened')`
  const child = execa(process.execPath, ['--input-type=module', '-e', script], { reject: false })
  await once(child.stdout, 'data')
  const viewer = view(directory)
  await viewer.until('release-started')
  child.stdin.write('go\n')
  expect(await viewer.end).toEqual({ key: 'k' })
  expect(shown(viewer.events)).toEqual(['release-started', 'step-started disks'])
  expect(await child).toMatchObject({ signal: 'SIGKILL' })
})

test('an engine without a sign of life is told once, with the way past it', async () => {
  // The heartbeat of the engine in this process must not show a sign of life.
  vi.useFakeTimers({ toFake: ['setInterval'] })
  const directory = emptyDirectory()
  using engine = enter(directory)
  engine.journal.append(opened)
  const longAgo = new Date(Date.now() - 120_000)
  utimesSync(join(directory, 'engine-1.lock'), longAgo, longAgo)
  const viewer = view(directory)
  await viewer.until('warning')
  for (const [count, step] of (['lease', 'prepare', 'container'] as const).entries()) {
    engine.journal.append({ type: 'step-started', ...place, step })
    await viewer.until('step-started', count + 1)
  }
  engine.journal.append({ type: 'release-closed', release, outcome: 'done', durationMs: 1 })
  await viewer.end
  const warnings = viewer.events.filter(({ type }) => type === 'warning')
  expect(warnings).toMatchObject([
    {
      message: expect.stringMatching(new RegExp(`process ${process.pid} on .*sign of life for 2 min`)),
      hint: expect.stringContaining('factory release --take-over'),
    },
  ])
})

test('an engine that shows itself is not warned of', async () => {
  const directory = emptyDirectory()
  using engine = enter(directory)
  engine.journal.append(opened)
  const viewer = view(directory)
  await viewer.until('release-started')
  engine.journal.append({ type: 'release-closed', release, outcome: 'done', durationMs: 1 })
  await viewer.end
  expect(shown(viewer.events)).toEqual(['release-started', 'release-finished'])
})

test('Ctrl-C ends only the watching: the engine is at work as before, and nothing was written', async () => {
  const directory = emptyDirectory()
  using engine = enter(directory)
  engine.journal.append(opened)
  const records = engine.journal.read()
  const source = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href)
  const script = `
    const { viewRelease } = await import(${source('release/view.ts')})
    const { whileWatching } = await import(${source('commands/interruption.ts')})
    using watching = whileWatching(() => true)
    await viewRelease(${JSON.stringify(directory)}, ({ type }) => console.log(type), watching.signal)
      .catch((error) => console.log(error.code + ': ' + error.message))`
  const child = execa(process.execPath, ['--input-type=module', '-e', script], { reject: false })
  await once(child.stdout, 'data')
  child.kill('SIGINT')
  const { stdout, exitCode } = await child
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/^release-started\ninterrupted: the watching was ended; the release goes on/)
  expect(engineAtWork(directory)).toMatchObject({ epoch: 1 })
  expect(engine.journal.read()).toEqual(records)
})
