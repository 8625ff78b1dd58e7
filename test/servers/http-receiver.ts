import type { IncomingMessage, ServerResponse } from 'node:http'
import { serveOnLoopback } from './loopback.ts'

export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  /** The raw bytes of the body, as text. */
  readonly body: string
}

export interface Reply {
  status: number
  body?: string
  headers?: Record<string, string>
}

/** What the server does with a request: an answer; `lost` for none and a broken connection; `silent` for none at all. */
export type Behaviour = (request: ReceivedRequest) => Reply | 'lost' | 'silent'

export interface HttpReceiver extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string
  /** Every request that came whole, in order. */
  readonly requests: readonly ReceivedRequest[]
  /** Whether connections are open, idle ones included. */
  connections(): Promise<number>
}

/** A real HTTP server on a free loopback port. */
export async function startHttpReceiver(behave: Behaviour): Promise<HttpReceiver> {
  const requests: ReceivedRequest[] = []
  async function take(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of incoming) parts.push(part as Buffer)
    const { method = '', url: path = '', headers } = incoming
    const request = { method, path, headers, body: Buffer.concat(parts).toString('utf8') }
    requests.push(request)
    const reply = behave(request)
    if (reply === 'silent') return
    if (reply === 'lost') return void incoming.socket.resetAndDestroy()
    outgoing.writeHead(reply.status, reply.headers).end(reply.body)
  }

  const listening = await serveOnLoopback((incoming, outgoing) => void take(incoming, outgoing))
  return {
    origin: listening.url,
    requests,
    connections: () =>
      new Promise((resolve, reject) =>
        listening.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose](),
  }
}
