import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** What the Authorization header of a signed request says. */
export interface Authorization {
  readonly accessKeyId: string
  /** YYYYMMDD */
  readonly date: string
  readonly region: string
  readonly service: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
  /** Of an address that was signed for somebody who has no key: when, as in `x-amz-date`, and for how long. */
  readonly presigned?: { readonly time: string; readonly expiresSeconds: number }
}

export interface SignedRequest {
  readonly method: string
  /** With the query, as it stood in the request line. */
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** Hex SHA-256 of the body, or what the header says in its place. */
  readonly payloadHash: string
}

const algorithm = 'AWS4-HMAC-SHA256'

/** Undefined when there is none or it is of another kind. */
export function readAuthorization(header: string | undefined): Authorization | undefined {
  const form = /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request,\s*/
  const [start = '', accessKeyId, date, region, service] = form.exec(header ?? '') ?? []
  const [, signed, signature] =
    /^SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(header?.slice(start.length) ?? '') ?? []
  if (!accessKeyId || !date || !region || !service || !signed || !signature) return undefined
  return { accessKeyId, date, region, service, signedHeaders: signed.split(';'), signature }
}

/** The same of an address that bears its signature: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html */
export function readPresigned(url: string): Authorization | undefined {
  const query = new URL(url, 'http://front').searchParams
  const said = (name: string) => query.get(`X-Amz-${name}`) ?? ''
  if (said('Algorithm') !== algorithm || !/^[0-9a-f]{64}$/.test(said('Signature'))) return undefined
  const [accessKeyId, date, region, service] = said('Credential').split('/')
  if (!accessKeyId || !date || !region || !service) return undefined
  const signedHeaders = said('SignedHeaders').split(';')
  const presigned = { time: said('Date'), expiresSeconds: Number(said('Expires')) }
  return { accessKeyId, date, region, service, signedHeaders, signature: said('Signature'), presigned }
}

/**
 * Whether the secret made the signature of this very request; AWS's own description of the algorithm:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function isSignedWith(secret: string, authorization: Authorization, request: SignedRequest): boolean {
  const { date, region, service, signature } = authorization
  const scope = `${date}/${region}/${service}/aws4_request`
  const time = authorization.presigned?.time ?? String(request.headers['x-amz-date'])
  const toSign = [algorithm, time, scope, sha256(canonicalRequest(authorization, request))].join('\n')
  const key = [date, region, service, 'aws4_request'].reduce(
    (above: string | Buffer, part) => createHmac('sha256', above).update(part).digest(),
    `AWS4${secret}`,
  )
  const expected = createHmac('sha256', key).update(toSign).digest()
  return timingSafeEqual(expected, Buffer.from(signature, 'hex'))
}

/** The headers that have to be signed and are not. */
export function unsignedHeaders(authorization: Authorization, headers: IncomingHttpHeaders): string[] {
  const needed = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'))
  return needed.filter((name) => !authorization.signedHeaders.includes(name))
}

function canonicalRequest({ service, signedHeaders }: Authorization, request: SignedRequest): string {
  const [path = '/', query = ''] = request.url.split('?', 2)
  const headers = signedHeaders.map((name) => {
    const value = String(request.headers[name] ?? '')
    return `${name}:${value.trim().replace(/ +/g, ' ')}\n`
  })
  return [
    request.method,
    // S3 alone signs the path as it stands.
    service === 's3' ? path : path.split('/').map(escapeUri).join('/'),
    canonicalQuery(query),
    headers.join(''),
    signedHeaders.join(';'),
    request.payloadHash,
  ].join('\n')
}

function canonicalQuery(query: string): string {
  if (query === '') return ''
  const signed = query.split('&').filter((pair) => !pair.startsWith('X-Amz-Signature='))
  const pairs = signed.map((pair) => {
    const [name = '', value = ''] = pair.split(/=(.*)/s)
    return { name: escapeUri(decodeURIComponent(name)), value: escapeUri(decodeURIComponent(value)) }
  })
  const order = ({ name, value }: { name: string; value: string }) => `${name}\0${value}`
  const sorted = pairs.toSorted((a, b) => (order(a) < order(b) ? -1 : 1))
  return sorted.map(({ name, value }) => `${name}=${value}`).join('&')
}

function escapeUri(said: string): string {
  return encodeURIComponent(said).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function sha256(said: string | Buffer): string {
  return createHash('sha256').update(said).digest('hex')
}
