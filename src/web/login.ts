import { type Context, Hono } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { ServeConfiguration } from '#src/config/types.ts'
import { printable } from '#src/ui/printable.ts'
import { formField } from './body.ts'
import type { WebEnvironment } from './environment.ts'
import { type LoginFacts, longestName, loginPage } from './pages/login-page.ts'
import type { Access } from './tokens.ts'

/** Browsers keep no cookie for longer than this, in seconds. */
const cookieSeconds = 30 * 86_400
const statusOfWrong = { token: 401, name: 400 } as const

/** Turns the token into a session of whoever says a name, for the journal; and ends it. */
export function login(access: Access, { hosts }: ServeConfiguration): Hono<WebEnvironment> {
  const app = new Hono<WebEnvironment>()
  const page = (context: Context<WebEnvironment>, facts: Omit<LoginFacts, 'nonce'>) =>
    context.html(
      loginPage({ ...facts, nonce: context.get('secureHeadersNonce') }),
      facts.wrong === undefined ? 200 : statusOfWrong[facts.wrong],
    )
  app.get('/login', (context) =>
    page(context, { next: localPath(context.req.query('next') ?? '/'), name: '' }),
  )
  app.post('/login', async (context) => {
    const next = localPath(await formField(context, 'next'))
    const name = nameIn(await formField(context, 'name'))
    if (!access.opens((await formField(context, 'token')).trim()))
      return page(context, { next, name, wrong: 'token' })
    if (name === '') return page(context, { next, name, wrong: 'name' })
    setCookie(context, access.cookie, access.begin(name), {
      httpOnly: true,
      sameSite: 'Strict',
      path: '/',
      maxAge: cookieSeconds,
      secure: isBehindTls(context, hosts),
    })
    return context.redirect(next, 303)
  })
  app.post('/logout', (context) => {
    const session = getCookie(context, access.cookie)
    if (session !== undefined) access.end(session)
    deleteCookie(context, access.cookie, { path: '/' })
    return context.redirect('/login', 303)
  })
  return app
}

/** As it stands in the journal and on pages: one line, without characters that reorder or hide text. */
function nameIn(field: string): string {
  return Array.from(printable(field).trim()).slice(0, longestName).join('')
}

/** Only of a proxy that the configuration knows: others may say what they like. */
function isBehindTls({ req }: Context, hosts: readonly string[]): boolean {
  const called = (req.header('host') ?? '').toLowerCase()
  const known = hosts.some((name) => [called, called.replace(/:\d+$/, '')].includes(name.toLowerCase()))
  return known && req.header('x-forwarded-proto') === 'https'
}

/** `//elsewhere` and `/\elsewhere` are other sites to a browser. */
function localPath(path: string): string {
  return /^\/(?![/\\])[\x21-\x7e]*$/.test(path) ? path : '/'
}
