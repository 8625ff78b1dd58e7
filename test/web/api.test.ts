import { spawnSync } from 'node:child_process'
import { chmod, mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { FactoryError } from '#src/errors.ts'
import { callFactory } from '#src/web/client.ts'
import { listen } from '#src/web/listen.ts'
import { hostile, scriptedServing } from './scripted-serving.ts'
import { json, webServer } from './web-server.ts'

test('commands of the same user are told everything over the socket, without a token', async () => {
  await using server = await webServer()
  const look = (path: string) => callFactory(server, 'GET', path)
  expect(await look('/api/images')).toEqual(JSON.parse(JSON.stringify(server.serving.images())))
  const { channels, releases } = (await look('/api/releases')) as {
    channels: object
    releases: { release: string; channels: string[]; outcome?: string }[]
  }
  expect(channels).toMatchObject({ candidate: '20261124.0', promoted: { release: '20261117.0', by: 'jana' } })
  expect(releases.map(({ release, channels: places, outcome }) => [release, places, outcome])).toEqual([
    ['20261125.0', [], undefined],
    ['20261124.0', ['candidate'], 'done'],
    ['20261122.0', [], 'partial'],
    ['20261120.0', [], 'done'],
    ['20261117.0', ['promoted'], 'done'],
    ['20261110.0', ['previous'], 'done'],
  ])
  expect(JSON.stringify(releases)).not.toContain('"inputs"')
  expect(await look('/api/rules')).toMatchObject([{ name: 'cron' }, {}, {}, { name: 'base', paused: {} }, {}])
  expect(await look('/api/leases')).toEqual([
    {
      lease: '20261125.0-x86_64',
      cloud: 'lab',
      arch: 'x86_64',
      release: '20261125.0',
      purpose: 'build',
      machine: 'factory-20261125.0-x86_64',
      takenAt: '2026-11-25T11:50:00.000Z',
      expires: '2026-11-25T15:50:00.000Z',
      kept: false,
      failed: false,
      cost: [{ amount: 0.015, currency: 'USD' }],
    },
  ])
  expect(await look('/api/findings')).toMatchObject({ found: [{ severity: 'ok' }, { severity: 'warning' }] })
})

test('what a command chooses is done, in the name of its user', async () => {
  await using server = await webServer()
  const choose = (path: string, body?: object) => callFactory(server, 'POST', path, body)
  const by = userInfo().username
  expect(await choose('/api/releases')).toEqual({ tick: 'press-1' })
  const wish = { force: true, architectures: ['s390x'], to: ['lab'], by: 'jana' }
  expect(await choose('/api/releases', wish)).toEqual({ tick: 'press-2' })
  await choose('/api/releases/20261124.0/promote', { why: 'tested' })
  await choose('/api/releases/20261122.0/ignore', { why: hostile })
  await choose('/api/releases/20261124.0/pin')
  await choose('/api/releases/20261124.0/pin', { pinned: false })
  expect(await choose('/api/rollback', {})).toEqual({ release: '20261117.0' })
  await choose('/api/rules/base/resume')
  const calls = server.calls.map((call) => [
    /^\D+ (?=[{\d])|^.*/.exec(call)![0].trim(),
    JSON.parse(/\{.*\}/.exec(call)?.[0] ?? '{}'),
  ])
  expect(calls).toEqual([
    ['press', { by }],
    ['press', wish],
    ['promote', { by, why: 'tested' }],
    ['ignore', { by, why: hostile }],
    ['pin', { by, pinned: true }],
    ['pin', { by, pinned: false }],
    ['rollback', { by }],
    [`resume base ${by}`, {}],
  ])
})

test('an error of the factory arrives as the same error', async () => {
  await using server = await webServer()
  const remote = { url: server.listening.url, token: server.token }
  for (const address of [server, remote]) {
    const failure = callFactory(address, 'POST', '/api/releases/20261122.0/promote', {})
    await expect(failure).rejects.toBeInstanceOf(FactoryError)
    await expect(failure).rejects.toMatchObject({
      code: 'release-not-promotable',
      class: 'user',
      message: 'release 20261122.0 is not complete: aarch64 is missing',
      hint: 'factory release goes on with it; factory promote 20261122.0 --force --why REASON',
    })
  }
  expect((await server.ask('/api/releases/1/promote', json({}))).status).toBe(404)
  expect((await server.ask('/api/releases/20261122.0/promote', json({}))).status).toBe(409)
  await expect(callFactory({ ...remote, token: 'guess' }, 'GET', '/api/images')).rejects.toMatchObject({
    code: 'web-token-missing',
  })
})

test('what is no wish changes nothing', async () => {
  await using server = await webServer()
  const bad = async (path: string, options: object) => {
    const answer = await server.ask(path, { method: 'POST', ...options })
    return [answer.status, JSON.parse(answer.text).code]
  }
  const release = '/api/releases'
  const headers = { 'content-type': 'application/json' }
  const invalid = [400, 'web-request-invalid']
  expect(await bad(release, json({ forced: true }))).toEqual(invalid)
  expect(await bad(release, json({ architectures: ['amd64'] }))).toEqual(invalid)
  expect(await bad(release, json({ architectures: [] }))).toEqual(invalid)
  expect(await bad(release, json([]))).toEqual(invalid)
  expect(await bad(release, { headers, body: '{"force"' })).toEqual(invalid)
  expect(await bad(release, { headers: { 'content-type': 'text/plain' }, body: '{}' })).toEqual(invalid)
  expect(await bad(`${release}/20261124.0/promote`, json({ why: 'x'.repeat(1001) }))).toEqual(invalid)
  expect(await bad('/api/rules/constructor/resume', json({}))).toEqual(invalid)
  expect(await bad('/api/nonesuch', json({}))).toEqual([404, 'web-not-found'])
  expect(await bad(release, json({ by: 'x'.repeat(70_000) }))).toEqual([413, 'web-request-too-large'])
  const chunked = { headers: { ...headers, 'transfer-encoding': 'chunked' }, body: 'x'.repeat(70_000) }
  expect(await bad(release, chunked)).toEqual([413, 'web-request-too-large'])
  expect(server.calls).toEqual([])
})

test('who chooses is one line of plain text, for it stands in the log', async () => {
  await using server = await webServer()
  const press = async (by: string) => (await server.ask('/api/releases', json({ by }))).status
  expect(await press('jana\n\u001b[31m[two] \u202eanaj\n')).toBe(202)
  expect(server.calls).toEqual(['press {"by":"jana [two] anaj"}'])
  expect(await press('\n\u200b')).toBe(400)
})

test('an architecture in other people’s spelling is refused with ours', async () => {
  await using server = await webServer()
  const refused = async (name: string) => {
    const { text } = await server.ask('/api/releases', json({ architectures: ['x86_64', name] }))
    return JSON.parse(text).message as string
  }
  expect(await refused('amd64')).toContain('unknown architecture "amd64"; did you mean "x86_64"?')
  expect(await refused('vax')).toContain('unknown architecture "vax"; known: x86_64, aarch64, ppc64le, s390x')
  expect(server.calls).toEqual([])
})

test('a wish may come without a body, and with one that does not announce its length', async () => {
  await using server = await webServer()
  const { hostname, port, host } = new URL(server.listening.url)
  const head = ['Host: ' + host, `Authorization: Bearer ${server.token}`, 'Connection: close']
  const socket = connect(Number(port), hostname)
  // As `curl -X POST` sends it: neither a length nor pieces.
  socket.write(['POST /api/rules/cron/resume HTTP/1.1', ...head, '', ''].join('\r\n'))
  expect(await text(socket)).toMatch(/^HTTP\/1.1 200 /)
  const pieces = { ...json({ why: 'a week on staging' }).headers, 'transfer-encoding': 'chunked' }
  const body = '{"why":"a week on staging"}'
  const path = '/api/releases/20261124.0/promote'
  expect((await server.ask(path, { method: 'POST', headers: pieces, body })).status).toBe(200)
  expect(server.calls).toEqual([
    'resume cron token',
    'promote 20261124.0 {"why":"a week on staging","by":"token"}',
  ])
})

test('what came from a builder is told as JSON that no browser takes for a page', async () => {
  await using server = await webServer()
  for (const path of [
    '/api/releases',
    '/api/findings',
    '/api/rules',
    `/api/${encodeURIComponent('<script>')}`,
  ]) {
    const { headers, text } = await server.ask(path, { headers: { accept: 'text/html' } })
    expect(headers['content-type']).toBe('application/json')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(() => JSON.parse(text) as unknown).not.toThrow()
    expect(text).not.toContain('\u001b')
  }
})

test('the socket is for its owner only, whatever the rights of the directory', async () => {
  await using server = await webServer()
  expect((await stat(server.listening.socket)).mode & 0o777).toBe(0o600)
  if (process.getuid?.() !== 0)
    return console.log('not root: that others are refused is seen by the rights alone')
  await chmod(server.stateDirectory, 0o755)
  // By an open directory, because those above it are closed to others, too.
  await using directory = await open(server.stateDirectory)
  const program = `require('net').connect('/proc/self/fd/3/serve.sock')
    .on('connect', () => { console.log('connected'); process.exit() }).on('error', ({ code }) => console.log(code))`
  const connecting = (options: object) =>
    spawnSync(process.execPath, ['-e', program], {
      encoding: 'utf8',
      cwd: '/',
      stdio: ['ignore', 'pipe', 'inherit', directory.fd],
      ...options,
    }).stdout.trim()
  expect(connecting({})).toBe('connected')
  expect(connecting({ uid: 65_534, gid: 65_534 })).toBe('EACCES')
  await chmod(server.listening.socket, 0o666)
  expect(connecting({ uid: 65_534, gid: 65_534 })).toBe('connected')
})

test('a state directory that lies deeper than the address of a socket can say is served, too', async () => {
  const place = await mkdtemp(join(tmpdir(), 'web-'))
  const stateDirectory = join(place, 'd'.repeat(120))
  const { serving } = scriptedServing({ stateDirectory, serve: { host: '127.0.0.1', port: 0, hosts: [] } })
  await using listening = await listen(serving)
  expect((await stat(listening.socket)).isSocket()).toBe(true)
  expect(await callFactory({ stateDirectory }, 'GET', '/api/images')).toHaveLength(9)
  await listening.close()
  await expect(stat(listening.socket)).rejects.toMatchObject({ code: 'ENOENT' })
  await rm(place, { recursive: true })
})

test('a second one is refused while the first answers, and a socket that was left behind is not in the way', async () => {
  await using server = await webServer()
  await expect(listen(server.serving)).rejects.toMatchObject({ code: 'factory-already-serving' })
  expect(await callFactory(server, 'GET', '/api/images')).toHaveLength(9)
  const program = `require('net').createServer().listen(${JSON.stringify(server.listening.socket)}, () => process.kill(process.pid, 'SIGKILL'))`
  await server.listening.close()
  spawnSync(process.execPath, ['-e', program])
  expect((await stat(server.listening.socket)).isSocket()).toBe(true)
  await expect(callFactory(server, 'GET', '/api/images')).rejects.toMatchObject({
    code: 'factory-not-serving',
  })
  await using again = await listen(server.serving)
  expect(again.socket).toBe(server.listening.socket)
  expect(await callFactory(server, 'GET', '/api/images')).toHaveLength(9)
})

test('a port that somebody has is said, and nothing of us stays', async () => {
  await using server = await webServer()
  const stateDirectory = await mkdtemp(join(tmpdir(), 'web-'))
  const port = Number(new URL(server.listening.url).port)
  const { serving } = scriptedServing({ stateDirectory, serve: { host: '127.0.0.1', port, hosts: [] } })
  await expect(listen(serving)).rejects.toMatchObject({ code: 'web-address-taken' })
  await expect(callFactory({ stateDirectory }, 'GET', '/')).rejects.toMatchObject({
    code: 'factory-not-serving',
  })
  // Nobody has seen a token yet: the start that succeeds shows one.
  const free = scriptedServing({ stateDirectory, serve: { host: '127.0.0.1', port: 0, hosts: [] } })
  const first = await listen(free.serving)
  expect(first.token).toMatch(/^[\w-]{43}$/)
  await first.close()
  const second = await listen(free.serving)
  expect(second.token).toBeUndefined()
  await second.close()
  await rm(stateDirectory, { recursive: true })
})

test('nobody there, somebody else there, and an address that would give the token away', async () => {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'web-'))
  await expect(callFactory({ stateDirectory }, 'GET', '/api/images')).rejects.toMatchObject({
    code: 'factory-not-serving',
    hint: 'Start it: factory serve',
  })
  await expect(
    callFactory({ stateDirectory: join(stateDirectory, 'no'.repeat(70)) }, 'GET', '/'),
  ).rejects.toMatchObject({
    code: 'factory-not-serving',
  })
  await rm(stateDirectory, { recursive: true })
  const other = createServer((_request, response) => response.end('<h1>It works!</h1>'))
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const at = (url: string) => callFactory({ url, token: 'secret' }, 'GET', '/api/images')
  await expect(at(`http://127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'factory-answer-unreadable' })
  other.close()
  await once(other, 'close')
  await expect(at(`http://127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'factory-not-serving' })
  await expect(at('http://factory.example')).rejects.toMatchObject({ code: 'factory-address-invalid' })
  await expect(at('factory')).rejects.toMatchObject({ code: 'factory-address-invalid' })
})
