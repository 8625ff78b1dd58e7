import { createHash } from 'node:crypto'
import { Agent, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { Transform } from 'node:stream'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import type { Answer, Call } from './call.ts'
import type { Parameters } from './query.ts'
import { Refusal } from './refusal.ts'
import { parseAnswer, text } from './xml.ts'
import type { Node } from './xml.ts'

/** The emulator that does what the front does not do itself. */
export interface Upstream {
  /** The call as it came; the answer as the emulator gave it. */
  forward(call: Call): Promise<Answer>
  /** A call of the front's own to EC2; refuses with the emulator's refusal. */
  ec2(region: string, action: string, parameters?: Parameters): Promise<Node>
  /** A call of the front's own to any service. */
  ask(request: OwnRequest): Promise<Answer & { body: Buffer }>
  /** The body of an answer that may be large. */
  download(request: OwnRequest): Promise<Readable>
}

export interface OwnRequest {
  readonly service: string
  readonly region: string
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

/** A connection's own affair, not the request's; `expect` was answered by the front. */
const hopByHop = new Set(['connection', 'keep-alive', 'expect', 'transfer-encoding', 'te', 'upgrade'])
const formType = 'application/x-www-form-urlencoded; charset=utf-8'

/** The emulator at the endpoint. */
export function openUpstream(endpoint: string): Upstream & Disposable {
  const agent = new Agent({ keepAlive: true })

  function send(method: string, path: string, headers: Headers, body: Body): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest(`${endpoint}${path}`, { method, headers, agent })
      outgoing.on('response', resolve).on('error', reject)
      if (Buffer.isBuffer(body)) outgoing.end(body)
      else pipeline(...body, outgoing).catch(reject)
    })
  }

  async function begin({
    service,
    region,
    method = 'POST',
    path = '/',
    headers = {},
    body = '',
  }: OwnRequest) {
    const bytes = Buffer.from(body)
    const own = { 'content-length': String(bytes.length), authorization: ownAuthorization(service, region) }
    return send(method, path, { ...headers, ...own }, bytes)
  }

  async function ask(request: OwnRequest) {
    const incoming = await begin(request)
    return { status: incoming.statusCode ?? 0, headers: kept(incoming), body: await buffer(incoming) }
  }

  return {
    ask,
    download: begin,
    async forward(call) {
      const body: Body = call.stream === undefined ? call.body : [call.stream, verified(call)]
      const incoming = await send(call.method, call.url, passedOn(call), body)
      const isLarge = call.action === 'GetObject'
      const answered = isLarge ? incoming : await buffer(incoming)
      return { status: incoming.statusCode ?? 0, headers: kept(incoming), body: answered }
    },
    async ec2(region, action, parameters = {}) {
      const form = new URLSearchParams({ ...parameters, Action: action, Version: '2016-11-15' })
      const headers = { 'content-type': formType }
      const answer = await ask({ service: 'ec2', region, headers, body: form.toString() })
      const content = parseAnswer(answer.body)
      if (answer.status < 300) return content
      const said = {
        code: text(content, 'Errors.Error.Code'),
        message: text(content, 'Errors.Error.Message'),
      }
      throw new Refusal({
        code: said.code ?? 'InternalError',
        message: said.message ?? '',
        status: answer.status,
      })
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}

type Headers = Record<string, string | string[]>
type Body = Buffer | readonly [IncomingMessage, Transform]

/** The emulator reads service and region from it and checks nothing. */
function ownAuthorization(service: string, region: string): string {
  return `AWS4-HMAC-SHA256 Credential=front/20260101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`
}

function passedOn({ rawHeaders }: Call): Headers {
  const headers: Headers = {}
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = String(rawHeaders[i])
    if (!hopByHop.has(name.toLowerCase())) headers[name] = String(rawHeaders[i + 1])
  }
  return headers
}

function kept(incoming: IncomingMessage): Answer['headers'] {
  const entries = Object.entries(incoming.headers).filter(([name]) => !hopByHop.has(name))
  return Object.fromEntries(entries.map(([name, value]) => [name, value ?? '']))
}

/**
 * Lets the body through, but the last piece only when the whole has the SHA-256 that was signed: the emulator never
 * sees the end of a body that is not what the signature says.
 */
function verified({ headers }: Call): Transform {
  const claimed = String(headers['x-amz-content-sha256'] ?? '')
  const isHash = /^[0-9a-f]{64}$/.test(claimed)
  const hash = createHash('sha256')
  let held: Buffer | undefined
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      if (isHash) hash.update(bytes)
      if (held) this.push(held)
      held = bytes
      done()
    },
    flush(done) {
      if (isHash && hash.digest('hex') !== claimed) return done(bodyMismatch)
      if (held) this.push(held)
      done()
    },
  })
}

const bodyMismatch = new Refusal({
  code: 'XAmzContentSHA256Mismatch',
  message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
})
