import { setTimeout as pause } from 'node:timers/promises'
import type { z } from 'zod'
import { retryPauseMs } from '#clouds/until.ts'
import type { Context } from '#src/context.ts'
import type { FactoryError } from '#src/errors.ts'
import { type Endpoints, type Service, endpointOf } from './endpoints.ts'
import { ibmFailure, unreadableAnswer } from './failures.ts'
import { type RawAnswer, sendOnce } from './send.ts'
import type { Tokens } from './token.ts'

export interface Request<T> {
  /** For messages: `looking at images`. */
  readonly what: string
  readonly service: Service
  /** The region whose service is asked, or in messages the name of one that has none. */
  readonly region: string
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Below the service's address. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** What a good answer looks like. */
  readonly answer: z.ZodType<T>
  /** Statuses beside 2xx that are an answer; what is no 2xx is answered with undefined. */
  readonly accept?: readonly number[]
  /** After a call that failed somebody has to look before it is repeated, so it is tried once. */
  readonly once?: boolean
}

export type Call = <T>(request: Request<T>, ctx: Pick<Context, 'signal'>) => Promise<T | undefined>

/** Any date up to today pins the shape of requests and answers: https://cloud.ibm.com/apidocs/vpc#api-versioning */
const vpcVersion = { version: '2026-03-24', generation: '2' }
/** Most calls answer within a second; making a machine takes several. */
const tryMs = 30_000
const mostTries = 6
const longestPauseMs = 20_000

/** Calls of IBM Cloud with tokens that renew themselves, a deadline a try, and failures that say what was done where. */
export function openCall(endpoints: Endpoints, tokens: Tokens): Call {
  return async function call<T>(request: Request<T>, ctx: Pick<Context, 'signal'>): Promise<T | undefined> {
    const { accept = [], once = false } = request
    for (let tries = 1; ; tries += 1) {
      const { answer, error } = await attempt(endpoints, tokens, request, ctx)
      if (answer && accept.includes(answer.status)) return undefined
      const read = answer && answer.status < 300 ? request.answer.safeParse(answer.json) : undefined
      if (read?.success) return read.data
      const failure = failureOf(request, answer, error ?? read?.error)
      // What was refused for its number has not been done, so it may be repeated whatever it is.
      const isHarmless = !once || answer?.status === 429
      if (failure.class !== 'infra' || answer?.status === 409 || !isHarmless || tries === mostTries)
        throw failure
      const wantedMs = Math.max(retryPauseMs(tries), answer?.retryAfterMs ?? 0)
      await pause(Math.min(wantedMs, longestPauseMs), undefined, { signal: ctx.signal }).catch(() => {})
      ctx.signal.throwIfAborted()
    }
  }
}

function failureOf<T>(
  { what, region }: Request<T>,
  answer: RawAnswer | undefined,
  error: unknown,
): FactoryError {
  if (answer && answer.status < 300) return unreadableAnswer(what, region, error)
  return ibmFailure({ what, region, error, ...(answer ? { answer } : {}) })
}

/** One try; a token that is refused is renewed once, for a call that was refused for it has not been done. */
async function attempt<T>(
  endpoints: Endpoints,
  tokens: Tokens,
  request: Request<T>,
  ctx: Pick<Context, 'signal'>,
): Promise<{ answer?: RawAnswer; error?: unknown }> {
  try {
    const token = await tokens.current(ctx.signal)
    const answer = await sendOnce(signed(endpoints, request, token), limited(ctx.signal))
    if (answer.status !== 401) return { answer }
    tokens.refused(token)
    const fresh = await tokens.current(ctx.signal)
    return { answer: await sendOnce(signed(endpoints, request, fresh), limited(ctx.signal)) }
  } catch (error) {
    ctx.signal.throwIfAborted()
    return { error }
  }
}

function limited(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(tryMs)])
}

function signed<T>(endpoints: Endpoints, request: Request<T>, token: string) {
  const { service, region, method = 'GET', path, query = {}, body, headers = {} } = request
  const pinned = service === 'vpc' ? vpcVersion : {}
  const search = new URLSearchParams({ ...pinned, ...query }).toString()
  // https://cloud.ibm.com/apidocs/vpc#update-floating-ip
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
  return {
    method,
    url: `${endpointOf(endpoints, service, region)}${path}${search === '' ? '' : `?${search}`}`,
    headers: {
      ...headers,
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': type }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }
}
