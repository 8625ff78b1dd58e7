import type { Context, MiddlewareHandler } from 'hono'
import { FactoryError } from '#src/errors.ts'
import type { WebEnvironment } from './environment.ts'
import { invalid, tooLarge } from './refusals.ts'

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

/**
 * Lets no larger body through than that, whether its length is announced or not. One that is not announced is read here and
 * handed on; hono's own limit makes a Request of a Request for that, which is not of Node's class here.
 */
export function limitedBody(limitBytes: number, limitMs: number): MiddlewareHandler<WebEnvironment> {
  return async ({ req }, next) => {
    const { raw, method } = req
    const isAnnounced = raw.headers.has('content-length') && !raw.headers.has('transfer-encoding')
    if (isAnnounced && Number(raw.headers.get('content-length')) > limitBytes) throw tooLarge(limitBytes)
    if (!isAnnounced && method !== 'GET' && method !== 'HEAD') {
      const body = new Uint8Array(await readBody(raw, limitBytes, limitMs))
      req.raw = new Request(raw.url, { method, headers: raw.headers, body })
    }
    return next()
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
