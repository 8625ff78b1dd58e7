import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sessionCookie } from '#src/web/tokens.ts'
import { serveOnLoopback } from '../servers/loopback.ts'
import { patienceMs, startBrowser, visit } from './browser.ts'
import { type WebServer, webServer } from './web-server.ts'

const limitMs = 2 * patienceMs
const script = readFileSync(new URL('hostile-page.js', import.meta.url), 'utf8')
const hostilePage = `<!doctype html><title>Win a prize</title><body><script>${script}</script>`
/** The name of somebody else, which leads to this machine: to the hostile site, and to the factory. */
const foreignName = 'evil.test'

const changes = [
  '/releases',
  '/releases/20261124.0/promote',
  '/releases/20261124.0/ignore',
  '/releases/20261124.0/pin',
  '/rollback',
  '/rules/base/resume',
  '/login',
  '/logout',
  '/api/releases',
  '/api/releases/20261124.0/promote',
  '/api/releases/20261124.0/ignore',
  '/api/releases/20261124.0/pin',
  '/api/rollback',
  '/api/rules/base/resume',
  '/api/gc',
]
/** Those of forms, without a body. */
const links = ['/releases', '/releases/20261124.0/promote', '/rollback', '/rules/base/resume', '/logout']
const looks = [
  '/',
  '/images',
  '/api/images',
  '/streams/promoted.json',
  '/events?after=0',
  '/events.ndjson?after=0',
]

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser([
    `--host-resolver-rules=MAP ${foreignName} 127.0.0.1`,
    // Newer browsers let no page from elsewhere ask this machine; older ones do, and so may a person.
    '--disable-features=LocalNetworkAccessChecks',
  ])
}, limitMs)
afterAll(() => browser?.close())

interface Arrived {
  method: string
  path: string
  cookie: string
  site: string | undefined
  response: ServerResponse
}

/** What arrives at a server from now on, whatever becomes of it: a hostile page cannot tell. */
function arrivals(server: WebServer): Disposable & { all: Arrived[] } {
  const port = Number(new URL(server.listening.url).port)
  const all: Arrived[] = []
  const note = (message: unknown) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse }
    if (request.socket.localPort !== port) return
    const { method = '', url: path = '', headers } = request
    const site = headers['sec-fetch-site'] as string | undefined
    all.push({ method, path, cookie: headers.cookie ?? '', site, response })
  }
  subscribe('http.server.request.start', note)
  return { all, [Symbol.dispose]: () => void unsubscribe('http.server.request.start', note) }
}

/** What a page could read of what it tried, as `hostile-page.js` has it. */
async function attack(page: Page, what: 'changeAll' | 'lookAtAll', ...given: unknown[]): Promise<string[]> {
  return await page.evaluate<string[]>(`${what}(${given.map((value) => JSON.stringify(value)).join(', ')})`)
}

const fields = { token: 'guess', why: 'hostile', force: 'yes' }

const csrfOf = async (page: Page) => await page.locator('input[name=csrf]').first().inputValue()

test.each([
  { site: 'on another port of this machine', host: '127.0.0.1', carriesSession: true },
  { site: 'of another name', host: foreignName, carriesSession: false },
])(
  'a site $site changes nothing and reads nothing, although the browser is logged in',
  { timeout: limitMs },
  async ({ host, carriesSession }) => {
    await using server = await webServer()
    await using evil = await serveOnLoopback((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end(hostilePage)
    })
    await using one = await visit(browser, server)
    const before = structuredClone(server.state)
    const site = `http://${host}:${evil.port}/`
    const target = server.listening.url.replace(/\/$/, '')
    const page = await one.page.context().newPage()
    using arrived = arrivals(server)
    await page.goto(site)
    expect(await attack(page, 'changeAll', target, changes, { ...fields, csrf: 'guess' })).toEqual([])
    expect(await attack(page, 'lookAtAll', target, looks)).toEqual([])
    for (const frame of page.frames().slice(1)) expect(frame.url()).not.toMatch(/^http:\/\/127.0.0.1/)

    const posts = arrived.all.filter(({ method }) => method === 'POST')
    for (const path of changes)
      expect([path, posts.filter((post) => post.path === path).length]).toEqual([path, 9])
    const heard = arrived.all.filter(({ path }) => path.startsWith('/events'))
    expect(heard.length).toBeGreaterThanOrEqual(2 * 7)
    const preflights = arrived.all.filter(({ method }) => method === 'OPTIONS')
    for (const { path, method, site, response } of [...posts, ...heard, ...preflights])
      expect([method, path, site, response.statusCode]).toEqual([method, path, site, 403])
    // So it is not for want of a session that they were refused.
    expect(posts.some(({ cookie }) => cookie.includes(sessionCookie))).toBe(carriesSession)

    const followed = await one.page.context().newPage()
    for (const path of links) {
      const link = `${path}?csrf=guess&force=yes&why=hostile`
      await followed.goto(site)
      // Later, so that the answer to this call is not lost with the page.
      await followed.evaluate(`void setTimeout(() => (location.href = ${JSON.stringify(target + link)}))`)
      await followed.getByText('there is nothing at').waitFor()
      const asked = arrived.all.filter((one) => one.path === link)
      expect(asked.at(-1)?.cookie).toContain(sessionCookie)
    }
    expect(server.calls).toEqual([])
    expect(server.state).toEqual(before)

    // The same from our own page: so it can be done, and it can be seen that it was.
    await one.go('/')
    await one.page.evaluate(script)
    const press = (csrf: string) =>
      one.page.evaluate<string | undefined>(
        `ask('/releases', { method: 'POST', body: new URLSearchParams({ csrf: ${JSON.stringify(csrf)} }) })`,
      )
    expect(await press('guess')).toMatch(/^403 /)
    expect(server.calls).toEqual([])
    expect(await press(await csrfOf(one.page))).toMatch(/^200 /)
    expect(server.calls).toEqual(['press {"by":"jana"}'])
    expect(server.state).not.toEqual(before)
    const own = (what: string) => one.page.evaluate<string | undefined>(what)
    expect(await own(`ask('/api/images')`)).toMatch(/^200 .*20261124\.0/s)
    expect(await own(`listenTo('/events?after=0')`)).toBe('open')
  },
)

test.each([
  { name: 'a name of somebody else that was turned on this machine', hosts: [], opens: false },
  { name: 'the same name, once the configuration has it', hosts: [foreignName], opens: true },
])('$name: opens $opens', { timeout: limitMs }, async ({ hosts, opens }) => {
  await using server = await webServer({ hosts })
  await using one = await visit(browser, server)
  const { page } = one
  const context = page.context()
  const csrf = await csrfOf(page)
  const before = structuredClone(server.state)
  const target = server.listening.url.replace('127.0.0.1', foreignName).replace(/\/$/, '')
  // The worst case: the session is there by that name, too, and the secret of its forms is known.
  const [session] = await context.cookies()
  await context.addCookies([{ ...session!, domain: foreignName }])
  // What was loaded by that name before it was turned on us: its own page, with our origin.
  await page.route(`${target}/prize`, (route) =>
    route.fulfill({ contentType: 'text/html', body: hostilePage }),
  )
  await page.goto(`${target}/prize`)
  using arrived = arrivals(server)
  const changed = await attack(page, 'changeAll', target, changes, { ...fields, csrf })
  const posts = arrived.all.filter(({ method }) => method === 'POST')
  for (const path of changes)
    expect([path, posts.filter((post) => post.path === path).length]).toEqual([path, 11])
  const [first] = posts
  expect(first?.cookie).toContain(sessionCookie)
  if (opens) {
    expect(server.calls.length).toBeGreaterThan(changes.length)
    expect(server.state).not.toEqual(before)
    expect(changed.join('\n')).toContain('20261124.0')
    return
  }
  const looked = await attack(page, 'lookAtAll', target, looks)
  for (const { path, response } of arrived.all) expect([path, response.statusCode]).toEqual([path, 403])
  for (const text of [...changed, ...looked]) expect(text).toContain('this server is not called')
  expect(server.calls).toEqual([])
  expect(server.state).toEqual(before)
  await page.goto(target)
  expect(await page.locator('body').innerText()).toContain('this server is not called')
})
