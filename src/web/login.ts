import { type Context, Hono } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { ServeConfiguration } from '#src/config/types.ts'
import { formField } from './body.ts'
import type { WebEnvironment } from './environment.ts'
import { sessionCookie } from './guard.ts'
import { loginPage } from './pages/login-page.ts'
import type { Access } from './tokens.ts'

/** Browsers keep no cookie for longer than this, in seconds. */
const cookieSeconds = 30 * 86_400

/** Turns the token into a session, and ends it. */
export function login(access: Access, { hosts }: ServeConfiguration): Hono<WebEnvironment> {
  const app = new Hono<WebEnvironment>()
  const page = (context: Context<WebEnvironment>, next: string, failed: boolean) =>
    context.html(
      loginPage({ next: localPath(next), failed, nonce: context.get('secureHeadersNonce') }),
      failed ? 401 : 200,
    )
  app.get('/login', (context) => page(context, context.req.query('next') ?? '/', false))
  app.post('/login', async (context) => {
    const onward = localPath(await formField(context, 'next'))
    if (!access.opens((await formField(context, 'token')).trim())) return page(context, onward, true)
    setCookie(context, sessionCookie, access.begin(), {
      httpOnly: true,
      sameSite: 'Strict',
      path: '/',
      maxAge: cookieSeconds,
      secure: isBehindTls(context, hosts),
    })
    return context.redirect(onward, 303)
  })
  app.post('/logout', (context) => {
    const session = getCookie(context, sessionCookie)
    if (session !== undefined) access.end(session)
    deleteCookie(context, sessionCookie, { path: '/' })
    return context.redirect('/login', 303)
  })
  return app
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
