import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type FailureClass, FactoryError, asFactoryError } from '#src/errors.ts'
import type { WebEnvironment } from './environment.ts'
import { refusalPage } from './pages/refusal-page.ts'

/** What a caller is told of a failure; `src/web/client.ts` makes the same error of it again. */
export interface Refusal {
  code: string
  class: FailureClass
  message: string
  hint?: string
}

const statusOfCode: Readonly<Record<string, ContentfulStatusCode>> = {
  'web-token-missing': 401,
  'web-host-unknown': 403,
  'web-cross-site': 403,
  'web-form-expired': 403,
  'webhook-not-signed': 403,
  'web-not-found': 404,
  'release-unknown': 404,
  'web-request-invalid': 400,
  'web-request-too-slow': 408,
  'web-request-too-large': 413,
  'web-busy': 503,
}

const statusOfClass: Readonly<Record<FailureClass, ContentfulStatusCode>> = {
  user: 409,
  permission: 502,
  infra: 503,
  capacity: 503,
  quota: 503,
  timeout: 504,
  interrupted: 503,
  'disk-full': 507,
  bug: 500,
}

/** The answer to a request that failed, whatever it failed with: a page for people, JSON for programs. */
export async function refuse(context: Context<WebEnvironment>, thrown: unknown): Promise<Response> {
  const error = asFactoryError(thrown)
  const { code, class: failure, message, hint } = error
  const status = statusOfCode[code] ?? statusOfClass[failure]
  if (status === 401) context.header('WWW-Authenticate', 'Bearer realm="factory"')
  // The rest of the body is not read, so nothing can follow it.
  if (status === 408 || status === 413) context.header('Connection', 'close')
  if (status === 503) context.header('Retry-After', '5')
  const refusal: Refusal = { code, class: failure, message, ...(hint === undefined ? {} : { hint }) }
  if (!isForPeople(context)) return context.json(refusal, status)
  return context.html(refusalPage({ ...refusal, nonce: context.get('secureHeadersNonce') }), status)
}

function isForPeople({ req }: Context): boolean {
  const page = !/^\/(api|events|streams|metrics)\b/.test(req.path)
  return page && (req.header('accept') ?? '').includes('text/html')
}

export function notFound(path: string, hint?: string): FactoryError {
  return new FactoryError({
    code: 'web-not-found',
    message: `there is nothing at ${path}`,
    ...(hint === undefined ? {} : { hint }),
    class: 'user',
  })
}

/** A body that is not what it should be. */
export function invalid(message: string): FactoryError {
  return new FactoryError({ code: 'web-request-invalid', message, class: 'user' })
}

export function tooLarge(limitBytes: number): FactoryError {
  return new FactoryError({
    code: 'web-request-too-large',
    message: `the request has more than ${limitBytes} bytes`,
    class: 'user',
  })
}

/** Something of which there may be so many at once. */
export function busy(what: string): FactoryError {
  return new FactoryError({
    code: 'web-busy',
    message: `${what} are being served already`,
    hint: 'Try again in a few seconds.',
    class: 'infra',
  })
}
