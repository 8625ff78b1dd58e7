import { utimesSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, expect, test, vi } from 'vitest'
import { quarantine } from '#clouds/quarantine.ts'
import { type Engine, enterEngine } from '#src/journal/engine.ts'
import { type Workspace, makeWorkspace } from '#test/config/workspace.ts'

const launcher = new URL('../../src/launcher.js', import.meta.url).pathname

afterEach(() => void vi.useRealTimers())

/** An engine in this process that has opened a release. */
async function working(): Promise<{ workspace: Workspace; engine: Engine; stateDirectory: string }> {
  const workspace = await makeWorkspace({
    'factory.yaml': `
image: { name: lab, containerfile: Containerfile }
disk: { builder: quay.io/a/bib:1 }
clouds: { lab: { kind: libvirt } }
builders: { x86_64: [lab] }
`,
  })
  const stateDirectory = join(workspace.directory, '.factory')
  const entered = enterEngine(stateDirectory)
  if (!('engine' in entered)) throw new Error('another engine is at work')
  const { engine } = entered
  open(engine, '20261121.0')
  return { workspace, engine, stateDirectory }
}

function open({ journal }: Engine, release: string): void {
  const builds = [{ arch: 'x86_64', buildKey: 'b', why: 'first release' }] as const
  const facts = { key: 'k', owner: 'lab', imageName: 'lab', inputs: {}, destinations: [] }
  journal.append({ type: 'release-opened', release, ...facts, builds: [...builds] })
}

async function status(workspace: Workspace, ...words: string[]): Promise<string> {
  const options = { cwd: workspace.directory, env: { FACTORY_HOME: '', npm_command: 'exec' } }
  return (await execa(process.execPath, [launcher, 'status', ...words], options)).stdout
}

async function engineSaid(workspace: Workspace, ...words: string[]): Promise<unknown> {
  return (JSON.parse(await status(workspace, ...words, '--json')) as { engine: unknown }).engine
}

test('an open release says which process is at work on it', async () => {
  const { workspace, engine } = await working()
  await using _workspace = workspace
  using _engine = engine
  expect(await status(workspace)).toContain(`running: process ${process.pid} on ${hostname()} is at work`)
  const said = { epoch: 1, pid: process.pid, host: hostname(), startedAt: expect.any(Number) }
  expect(await engineSaid(workspace)).toMatchObject(said)
})

test('an open release whose engine is gone was cut off, and says how to go on', async () => {
  const { workspace, engine } = await working()
  await using _workspace = workspace
  engine[Symbol.dispose]()
  const shown = await status(workspace)
  expect(shown).toContain('cut off; go on with: npx factory release')
  expect(await engineSaid(workspace)).toBeNull()
})

test('an engine without a sign of life may be stopped: then --take-over goes on', async () => {
  // The heartbeat of the engine in this process must not show a sign of life.
  vi.useFakeTimers({ toFake: ['setInterval'] })
  const { workspace, engine, stateDirectory } = await working()
  await using _workspace = workspace
  using _engine = engine
  const longAgo = new Date(Date.now() - 3_600_000)
  utimesSync(join(stateDirectory, 'engine-1.lock'), longAgo, longAgo)
  expect(await status(workspace)).toMatch(
    /process \d+ on \S+ has not shown a sign of life for 1 h.*: npx factory release --take-over/,
  )
})

test('neither a closed release nor an older open one has the engine that works on another', async () => {
  const { workspace, engine } = await working()
  await using _workspace = workspace
  using _engine = engine
  open(engine, '20261121.1')
  expect(await engineSaid(workspace, '20261121.0')).toBeNull()
  const closed = { type: 'release-closed', outcome: 'failed', durationMs: 1 } as const
  engine.journal.append({ ...closed, release: '20261121.1' })
  expect(await engineSaid(workspace, '20261121.1')).toBeNull()
  expect(await status(workspace, '20261121.1')).toContain('failed after')
})

test('a host that is left out is shown with the reason and until when, and no host is asked', async () => {
  const { workspace, engine, stateDirectory } = await working()
  await using _workspace = workspace
  using _engine = engine
  const failure = { code: 'host-unreachable', message: 'the host z1 did not answer' }
  await quarantine(join(stateDirectory, 'clouds', 'lab'), 'z1', failure, Date.UTC(2026, 0, 2, 3))
  expect(await status(workspace)).toContain(
    'Left out: z1 of lab since 2026-01-02T03:00:00.000Z, until 2026-01-02T03:01:00.000Z: the host z1 did not answer',
  )
  const shown = JSON.parse(await status(workspace, '--json')) as { leftOut: unknown }
  expect(shown.leftOut).toMatchObject([{ cloud: 'lab', place: 'z1', code: 'host-unreachable', failures: 1 }])
})
