import type { Context, MiddlewareHandler } from 'hono'
import { FactoryError } from '#src/errors.ts'
import { invalid, tooLarge } from './refusals.ts'

/** Nothing that is asked for by the API or a form is longer, or takes longer. */
export const requestBytes = 64 * 1024
export const requestMs = 10_000

/**
 * Refuses bodies of more than `requestBytes`. One that does not announce its length is read here, and stands in the
 * request as if nothing had happened: the `bodyLimit` of hono takes the server's request for one of Node's, and fails.
 */
export function limitedBody(): MiddlewareHandler {
  return async ({ req }, next) => {
    const { method, url, headers } = req.raw
    if (method === 'GET' || method === 'HEAD') return next()
    if (Number(headers.get('content-length') ?? 0) > requestBytes) throw tooLarge(requestBytes)
    if (!headers.has('content-length')) {
      const body = await readBody(req.raw, requestBytes, requestMs)
      req.raw = new Request(url, { method, headers, body: body.length === 0 ? null : Uint8Array.from(body) })
    }
    return next()
  }
}

/**
 * Reads a body to its end, as the bytes that came. Throws `web-request-too-large` as soon as more than `limitBytes` have
 * come or are announced, and `web-request-too-slow` after `limitMs` milliseconds.
 */
export async function readBody(request: Request, limitBytes: number, limitMs: number): Promise<Buffer> {
  if (Number(request.headers.get('content-length') ?? 0) > limitBytes) throw tooLarge(limitBytes)
  const reader = request.body?.getReader()
  if (!reader) return Buffer.alloc(0)
  let late = false
  const deadline = setTimeout(() => {
    late = true
    void reader.cancel().catch(() => {})
  }, limitMs)
  try {
    const chunks: Uint8Array[] = []
    let bytes = 0
    for (;;) {
      const { done, value } = await reader.read()
      if (late) throw tooSlow(limitMs)
      if (done) return Buffer.concat(chunks)
      bytes += value.length
      if (bytes > limitBytes) throw tooLarge(limitBytes)
      chunks.push(value)
    }
  } finally {
    clearTimeout(deadline)
  }
}

/** The field of a form that was sent; empty where there is none. Throws `web-request-invalid`. */
export async function formField({ req }: Context, name: string): Promise<string> {
  try {
    const value = (await req.parseBody())[name]
    return typeof value === 'string' ? value : ''
  } catch (error) {
    throw invalid(`the body is no form: ${(error as Error).message}`)
  }
}

function tooSlow(limitMs: number): FactoryError {
  return new FactoryError({
    code: 'web-request-too-slow',
    message: `the request was not there within ${limitMs / 1000} s`,
    class: 'timeout',
  })
}
