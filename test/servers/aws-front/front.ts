import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { authenticate } from './authentication.ts'
import type { Answer, Call, FrontRequest } from './call.ts'
import { operations } from './operations.ts'
import { receive } from './receive.ts'
import type { Received } from './receive.ts'
import { Refusal, refusalAnswer } from './refusal.ts'
import { defaultSettings } from './settings.ts'
import type { FrontSettings } from './settings.ts'
import { openTokens } from './tokens.ts'
import { openUpstream } from './upstream.ts'
import type { World } from './world.ts'

/** A stricter AWS before an emulator of it. */
export interface AwsFront extends AsyncDisposable {
  /** The endpoint of every service, `http://127.0.0.1:PORT`. */
  readonly endpoint: string
  /** Every request in the order of arrival, also the refused ones. */
  readonly requests: readonly FrontRequest[]
  /** Bytes of all request bodies. */
  readonly bodyBytes: number
  /** Can be changed at any time. */
  readonly settings: FrontSettings
  /** Forgets the requests that were recorded so far. */
  forgetRequests(): void
}

export interface AwsFrontOptions {
  /** The endpoint of the emulator. */
  readonly upstream: string
  /** The emulator's account. */
  readonly account?: string
  readonly settings?: Partial<FrontSettings>
}

/** Starts the front on a free loopback port. */
export async function startAwsFront(options: AwsFrontOptions): Promise<AwsFront> {
  const upstream = openUpstream(options.upstream)
  const settings = { ...defaultSettings(), ...options.settings }
  const world: World = {
    upstream,
    account: options.account ?? '123456789012',
    settings,
    tokens: openTokens(),
    snapshots: new Map(),
    images: new Map(),
    imageNames: new Map(),
    unknown: new Map(),
  }
  const requests: FrontRequest[] = []
  const server = createServer((incoming, outgoing) => void serve(world, requests, incoming, outgoing))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    get bodyBytes() {
      return requests.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)
    },
    settings,
    forgetRequests: () => requests.splice(0),
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
      upstream[Symbol.dispose]()
    },
  }
}

async function serve(
  world: World,
  requests: FrontRequest[],
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  // A client that went away is nobody's fault here.
  outgoing.on('error', () => {})
  let received: Received | undefined
  try {
    received = await receive(incoming, requests)
    await respond(world, outgoing, received, await answer(world, received))
  } catch (error) {
    const refusal = error instanceof Refusal ? error : broken(error)
    if (received) received.record.refusal = refusal.code
    await respond(world, outgoing, received, refusalAnswer(received?.record.service ?? '', refusal))
  }
}

async function answer(world: World, received: Received): Promise<Answer> {
  const now = Date.now() + world.settings.clockSkewMs
  const credential = authenticate(received, world.settings.credentials, now)
  const caller = credential.arn ?? `arn:aws:iam::${world.account}:user/factory`
  const call: Call = { ...received.call, caller }
  const operation = operations[`${call.service} ${call.action}`]
  return operation ? operation(call, world) : world.upstream.forward(call)
}

async function respond(
  world: World,
  outgoing: ServerResponse,
  received: Received | undefined,
  { status, headers, body }: Answer,
): Promise<void> {
  if (outgoing.headersSent || outgoing.destroyed) return
  if (received) received.record.status = status
  const date = new Date(Date.now() + world.settings.clockSkewMs).toUTCString()
  const requestId = { 'x-amzn-requestid': randomUUID() }
  outgoing.writeHead(status, { ...requestId, ...headers, date } as Record<string, string>)
  if (Buffer.isBuffer(body)) outgoing.end(body)
  else await pipeline(body, outgoing).catch(() => outgoing.destroy())
}

/** A defect of the front or the emulator, said so that a test's output shows it. */
function broken(error: unknown): Refusal {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return new Refusal({ code: 'FrontBroken', status: 500, message })
}
