import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { openJournal, readJournal } from '#src/journal/journal.ts'
import { type Workspace, makeWorkspace } from '#test/config/workspace.ts'
import { recordsOf } from './released.ts'
import { serving } from './serving-process.ts'

const launcher = new URL('../../src/launcher.js', import.meta.url).pathname

/** Nobody answers there, so what would be built fails at once, and doctor has something to say. */
const configuration = `
image: { name: copr-builder, ref: "127.0.0.1:1/nothing:latest" }
disk: { builder: "127.0.0.1:1/bib:1" }
clouds: { hypervisor: { kind: libvirt, uri: ["qemu+ssh://nobody@127.0.0.1:1/system"] } }
builders: { x86_64: [hypervisor] }
publish: [{ to: hypervisor }]
serve: { listen: "127.0.0.1:0" }
`

async function afterReleases(more = '', ...names: string[]): Promise<Workspace> {
  const workspace = await makeWorkspace({ 'factory.yaml': configuration + more })
  using journal = openJournal(join(workspace.directory, '.factory'))
  journal.appendAll(names.flatMap((name) => recordsOf(name)))
  return workspace
}

function factory(workspace: Workspace, ...words: string[]) {
  const env = { FACTORY_HOME: '' }
  return execa(process.execPath, [launcher, ...words], { cwd: workspace.directory, env, reject: false })
}

/** A first start, and how to ask it. */
async function started(workspace: Workspace) {
  const served = await serving(workspace.directory)
  const authorization = `Bearer ${await served.until(/it is shown only now: (\S+)/)}`
  const get = async (path: string, headers: Record<string, string> = { authorization }) =>
    await fetch(new URL(path, served.url), { headers })
  return { ...served, get }
}

describe('factory serve', () => {
  test('answers, does what commands choose, and moves the stream with it; then stops when it is told to', async () => {
    await using workspace = await afterReleases('', '20261101.1', '20261102.2')
    await using served = await started(workspace)
    expect((await served.get('/healthz', {})).status).toBe(200)
    expect((await served.get('/readyz', {})).status).toBe(200)
    expect((await served.get('/api/images', {})).status).toBe(401)
    expect(((await (await served.get('/api/images')).json()) as unknown[]).length).toBe(4)

    const promoted = await factory(workspace, 'promote', '20261101.1', '--why', 'tested')
    expect(promoted).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('is promoted.') as string })
    const images = (await (await served.get('/api/images')).json()) as { release: string; state: string }[]
    expect(images.find(({ release }) => release === '20261101.1')?.state).toBe('promoted')
    const refused = await factory(workspace, 'ignore', '20261101.1', '--why', 'x')
    expect(refused).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('[release-promoted]') as string,
    })

    served.kill('SIGTERM')
    expect(await served.ended).toMatchObject({ exitCode: 0 })
    using journal = readJournal(join(workspace.directory, '.factory'))
    expect(journal.state().channels.promoted).toMatchObject({ release: '20261101.1', why: 'tested' })
  })

  test('is one for a state directory', async () => {
    await using workspace = await afterReleases('', '20261101.1')
    await using served = await started(workspace)
    const second = await factory(workspace, 'serve')
    expect(second).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(
        `another factory command is at work on this configuration (process ${served.pid})`,
      ) as string,
    })
  })

  test('makes the release that factory release asks for, and the command says what became of it', async () => {
    await using workspace = await afterReleases('', '20261101.1')
    await using served = await started(workspace)
    const asked = await factory(workspace, 'release', '--output', 'lines')
    expect(asked.exitCode, asked.stderr).toBe(1)
    expect(asked.stderr).toContain('127.0.0.1:1')
    const rules = (await (await served.get('/api/rules')).json()) as { name: string }[]
    expect(rules).toMatchObject([{ name: 'hand', last: { outcome: 'failed' } }])
    using journal = readJournal(join(workspace.directory, '.factory'))
    expect(journal.state().rules.get('hand')?.ticks).toMatchObject([{ outcome: 'failed' }])
  })

  test('finishes a tick that it had taken when it was killed', async () => {
    await using workspace = await afterReleases(
      'rebuild: { cron: "0 4 * * *", inactivity: 14d }\n',
      '20261101.1',
    )
    {
      using journal = openJournal(join(workspace.directory, '.factory'))
      journal.append({ type: 'tick-taken', rule: 'cron', tick: '2026-11-25T04:00:00.000Z', why: 'due' })
    }
    await using served = await started(workspace)
    await served.until(/cron: failed/)
    using journal = readJournal(join(workspace.directory, '.factory'))
    expect(journal.state().rules.get('cron')?.ticks).toMatchObject([{ outcome: 'failed' }])
  })
})
