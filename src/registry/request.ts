import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { badAnswer, unreachable } from './failures.ts'

export interface Request {
  method: 'GET' | 'HEAD' | 'PUT'
  url: string
  headers: Readonly<Record<string, string>>
  body?: string
  /** Bytes of the answer's body that are read at most; more is refused. */
  maxBytes: number
}

export interface Answer {
  status: number
  headers: Headers
  body: Buffer
}

export interface Patience {
  /** Milliseconds that one attempt may take, body included. */
  attemptMs: number
  /** Attempts for what may pass: no connection, 429, 5xx. */
  attempts: number
  /** Milliseconds of the first pause; doubled each time. */
  pauseMs: number
  /** A `Retry-After` longer than this is not waited for. */
  longestPauseMs: number
}

export const usualPatience: Patience = {
  attemptMs: 30_000,
  attempts: 4,
  pauseMs: 500,
  longestPauseMs: 60_000,
}

/**
 * Sends one request and reads its answer, with patience for what may pass by itself; `Retry-After` is honoured. Any other
 * status is an answer for the caller. Throws `registry-unreachable` when nothing useful came.
 */
export async function send(
  registry: string,
  request: Request,
  patience: Patience,
  ctx: Context,
): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await attemptOnce(registry, request, patience, ctx)
    if ('status' in outcome && outcome.status !== 429 && outcome.status < 500) return outcome
    const pauseMs = pauseAfter(outcome, attempt, patience, ctx)
    if (attempt >= patience.attempts || pauseMs > patience.longestPauseMs) {
      throw givenUp(registry, outcome, attempt, ctx)
    }
    ctx.log(`${registry}: ${described(outcome)}; trying again in ${Math.ceil(pauseMs / 1000)} s`)
    await ctx.sleep(pauseMs)
  }
}

interface NoAnswer {
  failure: unknown
}

async function attemptOnce(
  registry: string,
  request: Request,
  patience: Patience,
  ctx: Context,
): Promise<Answer | NoAnswer> {
  ctx.signal.throwIfAborted()
  const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(patience.attemptMs)])
  const { method, url, headers, body } = request
  try {
    const response = await fetch(url, { method, headers, signal, ...(body === undefined ? {} : { body }) })
    const content = await readLimited(registry, response, request.maxBytes)
    return { status: response.status, headers: response.headers, body: content }
  } catch (error) {
    ctx.signal.throwIfAborted()
    if (error instanceof FactoryError) throw error
    return { failure: error }
  }
}

async function readLimited(registry: string, response: Response, maxBytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += (part as Uint8Array).byteLength
    if (bytes > maxBytes) throw badAnswer(registry, `more than ${maxBytes} bytes at ${response.url}`)
    parts.push(part as Uint8Array)
  }
  return Buffer.concat(parts)
}

function pauseAfter(outcome: Answer | NoAnswer, attempt: number, patience: Patience, ctx: Context): number {
  return askedPause(outcome, ctx) ?? patience.pauseMs * 2 ** (attempt - 1) * (1 + Math.random() / 2)
}

/** Milliseconds of `Retry-After`. */
function askedPause(outcome: Answer | NoAnswer, ctx: Context): number | undefined {
  const asked = 'status' in outcome ? outcome.headers.get('retry-after') : null
  if (asked === null) return undefined
  const ms = /^\d+$/.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - ctx.now()
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined
}

function givenUp(registry: string, outcome: Answer | NoAnswer, attempts: number, ctx: Context): FactoryError {
  const times = attempts === 1 ? '' : ` (${attempts} attempts)`
  const cause = 'failure' in outcome ? outcome.failure : undefined
  return unreachable(registry, `${described(outcome)}${times}`, cause, askedPause(outcome, ctx))
}

function described(outcome: Answer | NoAnswer): string {
  if ('status' in outcome) {
    return `it answers ${outcome.status}${outcome.status === 429 ? ' (too many requests)' : ''}`
  }
  const { failure } = outcome
  if (failure instanceof Error && failure.name === 'TimeoutError') return 'it does not answer in time'
  const cause = failure instanceof Error && failure.cause instanceof Error ? failure.cause : failure
  const text = cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : undefined
  return text ?? String(cause)
}
