import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { getCookie } from 'hono/cookie'
import { html } from 'hono/html'
import { NONCE, secureHeaders } from 'hono/secure-headers'
import { FactoryError } from '#src/errors.ts'
import type { ServeConfiguration } from '#src/config/types.ts'
import { userName } from '#src/user-name.ts'
import { formField } from './body.ts'
import type { WebEnvironment } from './environment.ts'
import type { Access } from './tokens.ts'

type Handler = MiddlewareHandler<WebEnvironment>
type Asked = Context<WebEnvironment>

/** Readable without a token. */
const openPaths = /^\/(login|assets\/[\w.-]+|streams\/[\w.-]+)$/
const eventPaths = /^\/events(\.ndjson)?$/
const wildcards = ['0.0.0.0', '::']

/**
 * What every answer says to browsers: nothing is loaded but from here, scripts and styles only with the nonce, no frames,
 * no other origins. `same-origin` and not `no-referrer`: with that, browsers send forms with `Origin: null`.
 */
export function headers(): Handler {
  const none = ["'none'"]
  return secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: none,
      scriptSrc: [NONCE],
      styleSrc: [NONCE],
      imgSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
      formAction: ["'self'"],
      baseUri: none,
      frameAncestors: none,
    },
    referrerPolicy: 'same-origin',
    xFrameOptions: 'DENY',
    strictTransportSecurity: false,
  })
}

/**
 * Lets through what was meant for this server: called by a name of its own (a name that somebody's DNS turned on us is
 * not), and where something changes or is listened to, not from a page of somebody else.
 */
export function sameSite({ host, hosts }: ServeConfiguration): Handler {
  const names = ['localhost', '127.0.0.1', '[::1]', ...(wildcards.includes(host) ? [] : [bracketed(host)])]
  const isOurs = (called: string, port: number | undefined) => {
    const bare = called.replace(/:\d+$/, '')
    if (hosts.some((name) => [called, bare].includes(name.toLowerCase()))) return true
    return names.includes(bare) && (called === `${bare}:${port}` || (port === 80 && called === bare))
  }
  return async (context, next) => {
    if (context.env.local === true) return next()
    const called = (context.req.header('host') ?? '').toLowerCase()
    if (!isOurs(called, context.env.incoming.socket.localPort)) throw unknownHost(called)
    if ((changes(context) || eventPaths.test(context.req.path)) && isForeign(context, called))
      throw crossSite()
    return next()
  }
}

/** Lets in whoever shows the token, goes on with a session, or came over the socket of this user. */
export function authenticated(access: Access): Handler {
  return async (context, next) => {
    context.set('by', '')
    context.set('csrf', '')
    const bearer = /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1]
    const session = getCookie(context, access.cookie)
    const person = session === undefined ? undefined : access.personOf(session)
    if (context.env.local === true) context.set('by', userName())
    else if (bearer !== undefined && access.opens(bearer)) context.set('by', 'token')
    else if (session !== undefined && person !== undefined) {
      context.set('by', person)
      context.set('csrf', csrfOf(session))
      if (changes(context)) await checkForm(context)
    } else if (!openPaths.test(context.req.path)) {
      if (!wantsPage(context)) throw noToken()
      if (isFollowed(context)) return context.html(html`<meta http-equiv="refresh" content="0" />`)
      return context.redirect(`/login?next=${encodeURIComponent(hereOf(context))}`, 303)
    }
    return next()
  }
}

function changes({ req }: Asked): boolean {
  return req.method !== 'GET' && req.method !== 'HEAD'
}

/** Browsers say where a request comes from; what says nothing is none, and has no cookies that others could use. */
function isForeign({ req }: Asked, called: string): boolean {
  const site = req.header('sec-fetch-site')
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true
  const origin = req.header('origin')
  return origin !== undefined && origin !== `http://${called}` && origin !== `https://${called}`
}

async function checkForm(context: Asked): Promise<void> {
  const isForm = /^(application\/x-www-form-urlencoded|multipart\/form-data)\b/.test(
    context.req.header('content-type') ?? '',
  )
  const shown = context.req.header('x-csrf-token') ?? (isForm ? await formField(context, 'csrf') : '')
  const [one, other] = [context.get('csrf'), shown].map((text) => Buffer.from(text)) as [Buffer, Buffer]
  if (one.length === other.length && timingSafeEqual(one, other)) return
  throw new FactoryError({
    code: 'web-form-expired',
    message: 'the form was not made for this session',
    hint: 'Load the page again and press once more.',
    class: 'user',
  })
}

/** Not to be turned back into the session, and the same after a restart, so that open pages go on to work. */
function csrfOf(session: string): string {
  return createHmac('sha256', session).update('csrf').digest('base64url')
}

function wantsPage({ req }: Asked): boolean {
  return req.method === 'GET' && (req.header('accept') ?? '').includes('text/html')
}

/** By a link elsewhere: browsers send a strict cookie only with what our own page asks for, so it asks again itself. */
function isFollowed({ req }: Asked): boolean {
  return ['cross-site', 'same-site'].includes(req.header('sec-fetch-site') ?? '')
}

function hereOf({ req }: Asked): string {
  const { pathname, search } = new URL(req.url)
  return pathname + search
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function unknownHost(called: string): FactoryError {
  return new FactoryError({
    code: 'web-host-unknown',
    message: `this server is not called ${JSON.stringify(called)}`,
    hint: 'Add the name to serve.hosts in the configuration when it is one of its names.',
    class: 'user',
  })
}

function crossSite(): FactoryError {
  return new FactoryError({
    code: 'web-cross-site',
    message: 'the request comes from a page of another site',
    class: 'user',
  })
}

function noToken(): FactoryError {
  return new FactoryError({
    code: 'web-token-missing',
    message: 'the token is missing or wrong',
    hint: 'Send it as `Authorization: Bearer TOKEN`, or log in at /login. It was shown when factory serve started for the first time.',
    class: 'permission',
  })
}
