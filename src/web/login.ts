import { type Context, Hono } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { html } from 'hono/html'
import type { ServeConfiguration } from '#src/config/types.ts'
import { formField } from './body.ts'
import type { WebEnvironment } from './environment.ts'
import { sessionCookie } from './guard.ts'
import type { Access } from './tokens.ts'

/** Browsers keep no cookie for longer than this, in seconds. */
const cookieSeconds = 30 * 86_400

/** Turns the token into a session, and ends it. */
export function login(access: Access, { hosts }: ServeConfiguration): Hono<WebEnvironment> {
  const app = new Hono<WebEnvironment>()
  app.get('/login', (context) => context.html(loginPage(context.req.query('next') ?? '/')))
  app.post('/login', async (context) => {
    const onward = localPath(await formField(context, 'next'))
    if (!access.opens((await formField(context, 'token')).trim()))
      return context.html(loginPage(onward, true), 401)
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

function loginPage(next: string, failed = false) {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>Log in · image factory</title>
      </head>
      <body>
        <main>
          <h1>Image factory</h1>
          ${failed ? html`<p role="alert">This is not the token.</p>` : ''}
          <form method="post" action="/login">
            <input type="hidden" name="next" value="${localPath(next)}" />
            <p>
              <label for="token">Token, as <code>factory serve</code> showed it at its first start</label
              ><br />
              <input
                id="token"
                name="token"
                type="password"
                autocomplete="current-password"
                required
                autofocus
              />
            </p>
            <p><button>Log in</button></p>
          </form>
        </main>
      </body>
    </html>`
}
