import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createHash, createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { listen } from '#src/web/listen.ts'
import { hostile } from './scripted-serving.ts'
import { type WebServer, ask, form, json, webServer } from './web-server.ts'

const guarded = [
  '/',
  '/api/images',
  '/api/releases',
  '/api/rules',
  '/api/leases',
  '/api/findings',
  '/events',
  '/events.ndjson',
  '/metrics',
  '/nonesuch',
]

async function session(server: WebServer): Promise<{ cookie: string; csrf: string }> {
  const answer = await server.ask('/login', { ...form({ name: 'jana', token: server.token }), bearer: false })
  expect(answer.status).toBe(303)
  const cookie = answer.headers['set-cookie']![0]!.split(';')[0]!
  const csrf = createHmac('sha256', cookie.split('=')[1]!).update('csrf').digest('base64url')
  return { cookie, csrf }
}

test('nothing is told without the token, and a wrong one is none', async () => {
  await using server = await webServer()
  const noSession = (await session(server)).cookie.replace(/=.*/, '=nonesuch')
  for (const path of guarded) {
    for (const headers of [{}, { authorization: 'Bearer nonesuch' }, { cookie: noSession }]) {
      const answer = await server.ask(path, { bearer: false, headers })
      expect([path, answer.status, JSON.parse(answer.text).code]).toEqual([path, 401, 'web-token-missing'])
      expect(answer.text).not.toContain('20261')
    }
  }
  expect((await server.ask('/api/images')).status).toBe(200)
  for (const path of ['/healthz', '/readyz', '/streams/promoted.json', '/login'])
    expect([path, (await server.ask(path, { bearer: false })).status]).toEqual([path, 200])
})

test('a person without a session is sent to the login, and one who followed a link is asked by our own page first', async () => {
  await using server = await webServer()
  const page = { bearer: false, headers: { accept: 'text/html,*/*;q=0.8' } }
  const sent = await server.ask('/releases/1?a=b', page)
  expect([sent.status, sent.headers.location]).toEqual([303, '/login?next=%2Freleases%2F1%3Fa%3Db'])
  const followed = await server.ask('/releases/1', {
    bearer: false,
    headers: { ...page.headers, 'sec-fetch-site': 'cross-site' },
  })
  expect([followed.status, followed.text]).toEqual([200, '<meta http-equiv="refresh" content="0" />'])
})

test('the token lies in the state directory as a digest only, readable for nobody else', async () => {
  await using server = await webServer()
  const { cookie } = await session(server)
  for (const name of await readdir(server.stateDirectory)) {
    if (name.endsWith('.sock')) continue
    const text = await readFile(join(server.stateDirectory, name), 'utf8')
    expect(text).not.toContain(server.token)
    expect(text).not.toContain(cookie.split('=')[1])
    expect(text).toContain(createHash('sha256').update(server.token).digest('hex'))
    expect((await stat(join(server.stateDirectory, name))).mode & 0o777).toBe(0o600)
  }
  expect(Buffer.from(server.token, 'base64url')).toHaveLength(32)
})

test('the token is shown once, and sessions outlive a restart', async () => {
  await using server = await webServer()
  const { cookie } = await session(server)
  await server.listening.close()
  await using again = await listen(server.serving)
  expect(again.token).toBeUndefined()
  const images = new URL('/api/images', again.url)
  expect((await ask(images, { headers: { authorization: `Bearer ${server.token}` } })).status).toBe(200)
  expect((await ask(images, { headers: { cookie } })).status).toBe(200)
})

test('a session is a cookie that scripts and other sites do not get, and ends with the logout', async () => {
  await using server = await webServer({ hosts: ['factory.example'] })
  const login = { ...form({ name: 'jana', token: server.token, next: '/releases' }), bearer: false }
  const answer = await server.ask('/login', login)
  expect(answer.headers.location).toBe('/releases')
  expect(answer.headers['set-cookie']![0]).toMatch(
    /^factory-session-[0-9a-f]{8}=[\w-]{43}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Strict$/,
  )
  const proxied = { host: 'factory.example', 'x-forwarded-proto': 'https' }
  const behind = await server.ask('/login', { ...login, headers: { ...login.headers, ...proxied } })
  expect(behind.headers['set-cookie']![0]).toContain('; Secure')
  const claimed = await server.ask('/login', {
    ...login,
    headers: { ...login.headers, 'x-forwarded-proto': 'https' },
  })
  expect(claimed.headers['set-cookie']![0]).not.toContain('Secure')
  const { cookie, csrf } = await session(server)
  const headers = { cookie }
  expect((await server.ask('/api/images', { bearer: false, headers })).status).toBe(200)
  const logout = await server.ask('/logout', {
    ...form({ csrf }),
    bearer: false,
    headers: { ...form({}).headers, cookie },
  })
  expect(logout.status).toBe(303)
  expect((await server.ask('/api/images', { bearer: false, headers })).status).toBe(401)
})

test('what only says that it is a form is refused', async () => {
  await using server = await webServer()
  const { cookie } = await session(server)
  const asked = {
    method: 'POST',
    bearer: false,
    headers: { 'content-type': 'multipart/form-data; boundary=x', cookie },
    body: '--y\r\nnothing',
  }
  for (const path of ['/login', '/logout', '/api/releases']) {
    const { status, text } = await server.ask(path, asked)
    expect([path, status, JSON.parse(text).code]).toEqual([path, 400, 'web-request-invalid'])
  }
})

test('a session ends after 30 days', async () => {
  await using server = await webServer()
  const { cookie } = await session(server)
  const look = async () => (await server.ask('/api/rules', { bearer: false, headers: { cookie } })).status
  server.setNow(server.serving.now() + 30 * 86_400_000 - 1)
  expect(await look()).toBe(200)
  server.setNow(server.serving.now() + 1)
  expect(await look()).toBe(401)
})

test('a wrong token at the login gives no session, and the login leads to no other site', async () => {
  await using server = await webServer()
  const wrong = await server.ask('/login', {
    ...form({ token: 'guess', next: `/"><b>${hostile}` }),
    bearer: false,
  })
  expect([wrong.status, wrong.headers['set-cookie']]).toEqual([401, undefined])
  expect(wrong.text).not.toMatch(/<script|<img|<b>/)
  for (const next of ['//evil.example/', '/\\evil.example', 'https://evil.example/', '/a\r\nX: y']) {
    const answer = await server.ask('/login', {
      ...form({ name: 'jana', token: server.token, next }),
      bearer: false,
    })
    expect([next, answer.headers.location]).toEqual([next, '/'])
    const page = await server.ask(`/login?next=${encodeURIComponent(next)}`, { bearer: false })
    expect(page.text).toContain('name="next" value="/"')
  }
})

const changes = [
  ['/api/releases', {}],
  ['/api/releases/20261124.0/promote', {}],
  ['/api/releases/20261124.0/ignore', {}],
  ['/api/releases/20261124.0/pin', {}],
  ['/api/rollback', {}],
  ['/api/rules/base/resume', {}],
] as const

test.each([
  ['a foreign origin', { origin: 'https://evil.example' }, 'web-cross-site'],
  ['another port of this machine', { origin: 'http://127.0.0.1:1' }, 'web-cross-site'],
  ['an origin that is hidden', { origin: 'null' }, 'web-cross-site'],
  ['a cross-site request', { 'sec-fetch-site': 'cross-site' }, 'web-cross-site'],
  ['a request of the same site on another port', { 'sec-fetch-site': 'same-site' }, 'web-cross-site'],
  ['a rebound name', { host: 'evil.example' }, 'web-host-unknown'],
  [
    'a rebound name with our port',
    { host: 'evil.example:PORT', origin: 'http://evil.example:PORT' },
    'web-host-unknown',
  ],
  ['our name with a wrong port', { host: '127.0.0.1:1' }, 'web-host-unknown'],
  ['a name that begins like ours', { host: 'localhost.evil.example:PORT' }, 'web-host-unknown'],
])('%s changes nothing and hears nothing, not even with a session', async (_what, headers, code) => {
  await using server = await webServer()
  const { cookie, csrf } = await session(server)
  const before = JSON.stringify(server.state)
  const port = new URL(server.listening.url).port
  const sent = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, value.replace('PORT', port)]),
  )
  for (const [path, body] of changes) {
    const asked = json(body)
    const all = { ...asked.headers, ...sent, cookie, 'x-csrf-token': csrf }
    const answer = await server.ask(path, { ...asked, headers: all })
    expect([path, answer.status, JSON.parse(answer.text).code]).toEqual([path, 403, code])
  }
  for (const path of ['/events', '/events.ndjson', '/login', '/logout']) {
    const method = path.startsWith('/events') ? 'GET' : 'POST'
    const answer = await server.ask(path, { method, headers: { ...sent, cookie } })
    expect([path, answer.status]).toEqual([path, 403])
  }
  expect(server.calls).toEqual([])
  expect(JSON.stringify(server.state)).toBe(before)
})

test('a rebound name reads nothing either', async () => {
  await using server = await webServer()
  for (const path of ['/', '/api/images', '/streams/promoted.json', '/metrics', '/login'])
    expect([path, (await server.ask(path, { headers: { host: 'evil.example' } })).status]).toEqual([
      path,
      403,
    ])
})

test('names of this machine and of the configuration are ours', async () => {
  await using server = await webServer({ hosts: ['Factory.example', 'other.example:8443'] })
  const port = new URL(server.listening.url).port
  const status = async (host: string) => (await server.ask('/api/rules', { headers: { host } })).status
  for (const host of [`localhost:${port}`, `[::1]:${port}`, `127.0.0.1:${port}`])
    expect(await status(host)).toBe(200)
  for (const host of ['factory.example', 'factory.example:443', 'other.example:8443'])
    expect(await status(host)).toBe(200)
  for (const host of ['other.example', 'factory.example.evil', '[::1]']) expect(await status(host)).toBe(403)
})

test('a session changes something only with its own form token', async () => {
  await using server = await webServer()
  const { cookie, csrf } = await session(server)
  const other = await session(server)
  const same = { 'sec-fetch-site': 'same-origin', origin: `http://${server.host}` }
  const press = async (headers: Record<string, string>) => {
    const asked = json({})
    return (
      await server.ask('/api/releases', {
        ...asked,
        bearer: false,
        headers: { ...asked.headers, ...same, cookie, ...headers },
      })
    ).status
  }
  expect(await press({})).toBe(403)
  expect(await press({ 'x-csrf-token': '' })).toBe(403)
  expect(await press({ 'x-csrf-token': other.csrf })).toBe(403)
  expect(server.calls).toEqual([])
  expect(await press({ 'x-csrf-token': csrf })).toBe(202)
  expect(server.calls).toEqual(['press {"by":"jana"}'])
})

test('what a person chooses on the page is chosen by the name of the session, also after a restart', async () => {
  await using server = await webServer()
  const press = async (url: string, { cookie, csrf }: { cookie: string; csrf: string }) =>
    await ask(new URL('/releases', url), { ...form({ csrf }), headers: { ...form({}).headers, cookie } })
  const named = async (name: string) => {
    const answer = await server.ask('/login', { ...form({ name, token: server.token }), bearer: false })
    const cookie = answer.headers['set-cookie']![0]!.split(';')[0]!
    return { cookie, csrf: createHmac('sha256', cookie.split('=')[1]!).update('csrf').digest('base64url') }
  }
  const jana = await named('Jana Nováková')
  await press(server.listening.url, jana)
  await press(server.listening.url, await named(`  ${hostile}\u202e${'x'.repeat(100)}`))
  await server.listening.close()
  await using again = await listen(server.serving)
  await press(again.url, jana)
  const names = server.calls.map((call) => (JSON.parse(call.replace('press ', '')) as { by: string }).by)
  expect(names[0]).toBe('Jana Nováková')
  expect(names[1]).toHaveLength(60)
  expect(names[1]).toMatch(/^<\/script><script>alert/)
  expect(names[1]).not.toMatch(/[\p{Cc}\u202e]/u)
  expect(names[2]).toBe('Jana Nováková')
  const page = await ask(new URL('/', again.url), { headers: { cookie: jana.cookie, accept: 'text/html' } })
  expect(page.text).not.toMatch(/<script>|<img/)
})

test('a login at one image ends no session at another one on the same host, for browsers know no ports', async () => {
  await using one = await webServer()
  await using other = await webServer()
  const sessions = await Promise.all([one, other].map(session))
  const jar = new Map(sessions.map(({ cookie }) => cookie.split('=') as [string, string]))
  const cookie = [...jar].map((pair) => pair.join('=')).join('; ')
  for (const server of [one, other])
    expect((await server.ask('/api/images', { bearer: false, headers: { cookie } })).status).toBe(200)
})

test('who has the token and says no name gets no session', async () => {
  await using server = await webServer()
  for (const name of ['', '  ', '\u200b\u202e'])
    for (const fields of [{ name }, {}]) {
      const answer = await server.ask('/login', {
        ...form({ ...fields, token: server.token }),
        bearer: false,
      })
      expect([answer.status, answer.headers['set-cookie']]).toEqual([400, undefined])
      expect(answer.text).toMatch(/role="alert">Say who you are/)
    }
  const wrong = await server.ask('/login', {
    ...form({ name: `"><b>${hostile}`, token: 'guess' }),
    bearer: false,
  })
  expect(wrong.status).toBe(401)
  expect(wrong.text).not.toMatch(/<script|<img|<b>/)
})

test('sessions of before there were names go on', async () => {
  await using server = await webServer()
  const { cookie, csrf } = await session(server)
  await server.listening.close()
  const file = join(server.stateDirectory, 'web-access.json')
  await writeFile(file, (await readFile(file, 'utf8')).replace(/,"name":"[^"]*"/, ''))
  await using again = await listen(server.serving)
  const asked = { ...form({ csrf }), headers: { ...form({}).headers, cookie } }
  expect((await ask(new URL('/releases', again.url), asked)).status).toBe(303)
  expect(server.calls).toEqual(['press {"by":"page"}'])
})

test('every answer has a strict policy, and none has a word for other origins', async () => {
  await using server = await webServer()
  const nonces = new Set<string>()
  for (const path of [
    '/login',
    '/api/images',
    '/healthz',
    '/nonesuch',
    '/streams/promoted.json',
    '/webhooks/github',
  ]) {
    const { headers } = await server.ask(path, { headers: { origin: 'https://evil.example' } })
    const policy = String(headers['content-security-policy'])
    expect(policy).toMatch(
      /^default-src 'none'; script-src 'nonce-([\w+/=]+)'; style-src 'nonce-\1'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
    )
    nonces.add(policy)
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
    })
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  }
  expect(nonces.size).toBe(6)
  const preflight = await server.ask('/api/releases', {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
  })
  expect(preflight.status).toBe(403)
})

test('a broken file of the access lets nobody in, and a token is not made over it', async () => {
  await using server = await webServer()
  await server.listening.close()
  await writeFile(join(server.stateDirectory, 'web-access.json'), '{"token":""}')
  await expect(listen(server.serving)).rejects.toMatchObject({ code: 'web-access-broken' })
})
