import type { z } from 'zod'
import { retryPauseMs } from '#clouds/until.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { endpointOf, type ServiceName, versionHeaders } from './catalogue.ts'
import { type Received, exchange, readJson } from './exchange.ts'
import { openstackFailure } from './failures.ts'
import type { Identity } from './identity.ts'
import { type Token, newToken } from './token.ts'

export interface Request {
  service: ServiceName
  region: string
  /** For messages: `looking at servers`. */
  what: string
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below the service's own address, beginning with a slash. */
  path: string
  query?: Record<string, string | undefined>
  /** Sent as JSON. */
  json?: unknown
  /** Made anew for each try. */
  stream?: () => ReadableStream<Uint8Array>
  headers?: Record<string, string>
  /**
   * Whether asking twice does no harm; then it is asked again when no answer comes or the service is out of breath. By
   * default for GET, PUT and DELETE without a stream.
   */
  repeatable?: boolean
  /** Milliseconds for one try; by default a minute. */
  limitMs?: number
  /** Milliseconds that the token must be good for, when the answer may come late. */
  tokenMs?: number
}

/** Our way to all services of a cloud. */
export interface Session {
  /** The token that is in use, with the catalogue. */
  token(ctx: Context): Promise<Token>
  identity(): Promise<Identity>
  /** Sends a request and gives its answer back when that is a success; throws a FactoryError otherwise. */
  send(request: Request, ctx: Context): Promise<Received>
  /** The same, with the answer as JSON of a shape. */
  json<T extends z.ZodType>(request: Request, shape: T, ctx: Context): Promise<z.infer<T>>
}

const answerMs = 60_000
/** So long before its end a token is not used any more: clocks differ, and calls take their time. */
const marginMs = 2 * 60_000
const mostTries = 5
/** What services ask us to wait is waited, up to this. */
const longestAskedMs = 30_000

/** Opens nothing yet: credentials are read when they are first needed, and anew for each token. */
export function createSession(findIdentity: () => Promise<Identity>): Session {
  let current: { token: Token; identity: Identity } | undefined
  let renewing: Promise<{ token: Token; identity: Identity }> | undefined

  async function renew(ctx: Context): Promise<{ token: Token; identity: Identity }> {
    const identity = await findIdentity()
    current = { identity, token: await newToken(identity, ctx) }
    return current
  }

  /** One renewal for all that wait; `than` is the token that was refused. */
  async function authenticated(ctx: Context, forMs: number, than?: Token) {
    const isGood = current && current.token !== than && current.token.expiresAt - ctx.now() > forMs + marginMs
    if (isGood) return current!
    const others = renewing
    const own = (renewing ??= renew(ctx).finally(() => (renewing = undefined)))
    try {
      return await own
    } catch (error) {
      // Who renewed it for all may have been stopped, and that is nothing to us.
      if (!others || ctx.signal.aborted || error instanceof FactoryError) throw error
      return await renew(ctx)
    }
  }

  async function once(request: Request, ctx: Context): Promise<Received> {
    const first = await authenticated(ctx, request.tokenMs ?? 0)
    const received = await sendWith(first, request, ctx)
    if (received.status !== 401) return received
    // A token that is not accepted any more has done nothing: the call is made again, whatever it is.
    return await sendWith(await authenticated(ctx, request.tokenMs ?? 0, first.token), request, ctx)
  }

  async function send(request: Request, ctx: Context): Promise<Received> {
    const { repeatable = request.method !== 'POST' && request.method !== 'PATCH' && !request.stream } =
      request
    for (let tries = 1; ; tries += 1) {
      let failure: FactoryError
      let askedMs = 0
      try {
        const received = await once(request, ctx)
        if (received.status >= 200 && received.status < 300) return received
        failure = openstackFailure(received.refusal(), request.what, request.region)
        askedMs = Number(received.headers.get('retry-after') ?? 0) * 1000 || 0
      } catch (error) {
        ctx.signal.throwIfAborted()
        if (!(error instanceof FactoryError)) throw error
        failure = error
      }
      if (tries === mostTries || !repeatable || !mayPass(failure)) throw failure
      await ctx.sleep(Math.max(Math.min(askedMs, longestAskedMs), retryPauseMs(tries)))
    }
  }

  return {
    token: async (ctx) => (await authenticated(ctx, 0)).token,
    identity: async () => current?.identity ?? (await findIdentity()),
    send,
    json: async (request, shape, ctx) =>
      readJson(await send(request, ctx), shape, request.what, request.region),
  }
}

async function sendWith(
  { token, identity }: { token: Token; identity: Identity },
  request: Request,
  ctx: Context,
): Promise<Received> {
  const { service, region, what, method = 'GET', path, query = {}, json, stream, headers } = request
  const base = endpointOf(token.catalogue, service, region, identity.interface ?? 'public', identity.source)
  const url = new URL(`${base}${path}`)
  for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, value)
  const body = json === undefined ? stream?.() : JSON.stringify(json)
  return await exchange(
    {
      what,
      method,
      url: url.href,
      headers: {
        'x-auth-token': token.value,
        ...versionHeaders(service),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
      limitMs: request.limitMs ?? answerMs,
    },
    ctx,
  )
}

/** Failures that may be over the next time; a broken answer may have been cut short. */
function mayPass({ code, class: failureClass }: FactoryError): boolean {
  return failureClass === 'infra' || code === 'deadline-passed'
}
