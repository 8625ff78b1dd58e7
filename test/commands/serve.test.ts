import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test, vi } from 'vitest'
import { openJournal, readJournal } from '#src/journal/journal.ts'
import { type Workspace, makeWorkspace } from '#test/config/workspace.ts'
import { serveOnLoopback } from '#test/servers/loopback.ts'
import { startGit } from '#test/trigger/git-server.ts'
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

/** A receiver that answers only when it is let. */
async function slowReceiver() {
  const answers: (() => void)[] = []
  const listening = await serveOnLoopback((request, response) => {
    request.resume().on('end', () => {
      answers.push(() => void response.writeHead(200).end())
      server.emit('asked')
    })
  })
  const { server } = listening
  let isOpen = true
  server.on('connection', (socket) => socket.on('close', () => (isOpen = false)))
  return {
    port: listening.port,
    asked: () => answers.length,
    async untilAsked(times: number) {
      while (answers.length < times) await once(server, 'asked')
    },
    isOpen: () => isOpen,
    answer() {
      for (const answer of answers) answer()
    },
    [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose](),
  }
}

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
  return { ...served, authorization, get }
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

  test('waits a moment for a message that is on its way when it is told to stop', async () => {
    await using receiver = await slowReceiver()
    await using workspace = await afterReleases(
      'notify: [{ kind: webhook, urlFile: webhook-url }]\n',
      '20261101.1',
    )
    await workspace.write('webhook-url', `http://127.0.0.1:${receiver.port}/\n`)
    await using served = await started(workspace)
    await factory(workspace, 'promote', '20261101.1')
    await receiver.untilAsked(1)
    served.kill('SIGTERM')
    // Long enough for one that does not wait to be gone.
    await Promise.race([served.ended, delay(500)])
    expect(receiver.isOpen()).toBe(true)
    receiver.answer()
    expect(await served.ended).toMatchObject({ exitCode: 0 })
  })

  test('ends when it is told to stop although a release is under way, which the next start finishes', async () => {
    await using registry = await slowReceiver()
    await using workspace = await afterReleases()
    const written = await readFile(join(workspace.directory, 'factory.yaml'), 'utf8')
    await workspace.write('factory.yaml', written.replaceAll('127.0.0.1:1/', `127.0.0.1:${registry.port}/`))
    await using served = await started(workspace)
    const headers = { authorization: served.authorization }
    // The first ones are those of doctor.
    await registry.untilAsked(2)
    const before = registry.asked()
    const asked = await fetch(new URL('/api/releases', served.url), { method: 'POST', headers })
    expect(asked.status).toBe(202)
    await registry.untilAsked(before + 1)
    served.kill('SIGTERM')
    expect(await served.ended).toMatchObject({ exitCode: 0 })
    using journal = readJournal(join(workspace.directory, '.factory'))
    expect(journal.state().rules.get('hand')?.ticks).toMatchObject([{ why: 'token asked for it' }])
    expect(journal.state().rules.get('hand')?.ticks[0]).not.toHaveProperty('outcome')
  })

  test('ends when it fails, too, and does not go on with a release whose journal is closed', async () => {
    await using registry = await slowReceiver()
    await using workspace = await afterReleases()
    const written = await readFile(join(workspace.directory, 'factory.yaml'), 'utf8')
    const taken = written.replace('127.0.0.1:0', `127.0.0.1:${registry.port}`)
    await workspace.write('factory.yaml', taken.replaceAll('127.0.0.1:1/', `127.0.0.1:${registry.port}/`))
    {
      using journal = openJournal(join(workspace.directory, '.factory'))
      const wish = { by: 'somebody' }
      journal.append({ type: 'tick-taken', rule: 'hand', tick: 'one', why: 'asked for', wish })
    }
    const { exitCode, stderr } = await factory(workspace, 'serve')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('[web-address-taken]')
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

  test('refuses at once to release to where nothing goes, and says what there is', async () => {
    await using workspace = await afterReleases('', '20261101.1')
    await using served = await started(workspace)
    const token = served.authorization.replace('Bearer ', '')
    const remote = async (...words: string[]) => {
      const env = { FACTORY_HOME: '', FACTORY_TOKEN: token }
      const argv = [launcher, 'release', '--remote', served.url, ...words]
      const { exitCode, stderr } = await execa(process.execPath, argv, { env, reject: false })
      return [exitCode, stderr]
    }
    const noDestination = /nothing is published to mars; known: hypervisor \[destination-not-configured\]/
    expect(await remote('--to', 'mars')).toEqual([2, expect.stringMatching(noDestination)])
    expect(await remote('--to', 'hypervizor')).toEqual([
      2,
      expect.stringContaining('did you mean "hypervisor"?'),
    ])
    expect(await remote('--arch', 's390x')).toEqual([
      2,
      expect.stringMatching(/built are: x86_64 \[architecture-not-configured\]/),
    ])
    const onPage = await fetch(new URL('/releases', served.url), {
      method: 'POST',
      headers: { authorization: served.authorization },
      body: new URLSearchParams({ to: 'mars' }),
    })
    expect(await onPage.text()).toMatch(/role="alert">[^]*nothing is published to mars; known: hypervisor/)
    using journal = readJournal(join(workspace.directory, '.factory'))
    expect(journal.state().rules.get('hand')).toBeUndefined()
  })

  test('collects garbage by the configuration as it is written now, and refuses one that is wrong', async () => {
    await using workspace = await makeWorkspace({
      'factory.yaml': `${configuration}retention: { keep: 2, minAge: 1d }\n`,
    })
    {
      using journal = openJournal(join(workspace.directory, '.factory'), {
        now: () => Date.now() - 90 * 86_400_000,
      })
      journal.appendAll(['20261101.1', '20261102.2'].flatMap((name) => recordsOf(name)))
    }
    await using served = await started(workspace)
    const headers = { authorization: served.authorization }
    const gc = async () => {
      const answer = await fetch(new URL('/api/gc', served.url), { method: 'POST', headers })
      return (await answer.json()) as { collected?: { release: string }[]; code?: string; message?: string }
    }
    expect(await gc()).toMatchObject({ collected: [] })

    await workspace.write('factory.yaml', `${configuration}retention: { keep: 1, minAgo: 1d }\n`)
    const wrong = await gc()
    expect(wrong).toMatchObject({ code: 'configuration-invalid' })
    expect(wrong.message).toMatch(/factory\.yaml:\d+:\d+: .*minAgo.*did you mean "minAge"/)

    await workspace.write('factory.yaml', `${configuration}retention: { keep: 1, minAge: 1d }\n`)
    const { collected } = await gc()
    expect(new Set(collected?.map(({ release }) => release))).toEqual(new Set(['20261101.1']))
  })

  test('needs no Containerfile here where it builds from a repository: neither for a release nor for doctor', async () => {
    await using git = await startGit({ 'images/Containerfile': 'FROM 127.0.0.1:1/nothing:latest\n' })
    await using workspace = await makeWorkspace({
      'factory.yaml': configuration
        .replace(/ref: "[^"]*"/, 'containerfile: images/Containerfile')
        .concat(`rebuild: { git: { url: "${git.url}" } }\n`),
    })
    await using served = await started(workspace)
    const asked = await factory(workspace, 'release', '--output', 'lines')
    expect(asked.exitCode, asked.stderr).toBe(1)
    expect(asked.stderr).toContain('127.0.0.1:1')
    const findings = await vi.waitUntil(
      async () =>
        (await (await served.get('/api/findings')).json()) as { found: { message: string }[] } | null,
      { timeout: 50_000, interval: 200 },
    )
    const said = findings.found.map(({ message }) => message).join('\n')
    expect(said).toContain('127.0.0.1:1')
    expect(said).not.toMatch(/Containerfile/)
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
