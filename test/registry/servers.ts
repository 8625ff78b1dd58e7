import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface HttpServer extends AsyncDisposable {
  /** `localhost:PORT` */
  readonly host: string
  /** Method and path of every request so far. */
  readonly requests: string[]
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** A web server on the loopback address that answers as the handler says. */
export async function startHttp(handler: Handler): Promise<HttpServer> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    void Promise.resolve(handler(request, response)).catch((error: unknown) => {
      response.writeHead(599).end(String(error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `localhost:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export interface Account {
  user: string
  password: string
  /** What the account may do: `pull` or `pull,push`. */
  actions: string
}

interface Token {
  scope: string
  left: number
}

/**
 * A door in front of a registry that lets nobody in without a token of its own realm, as quay.io and docker.io do. Tokens
 * name the actions and are good for `uses` requests.
 */
export async function startGuard(
  registryHost: string,
  accounts: readonly Account[],
  uses = 100,
): Promise<HttpServer> {
  const tokens = new Map<string, Token>()
  const server = await startHttp(async (request, response) => {
    const url = new URL(request.url ?? '/', `http://${server.host}`)
    if (url.pathname === '/token') {
      const token = { scope: grantedScope(request, url, accounts), left: uses }
      if (token.scope === '') return void response.writeHead(401).end('{}')
      tokens.set(`token-${tokens.size}`, token)
      return void response.writeHead(200).end(JSON.stringify({ token: `token-${tokens.size - 1}` }))
    }
    const repository = /^\/v2\/(.+?)\/(?:manifests|blobs)\//.exec(url.pathname)?.[1] ?? ''
    const scope = `repository:${repository}:${request.method === 'PUT' ? 'pull,push' : 'pull'}`
    const token = tokens.get((request.headers.authorization ?? '').replace('Bearer ', ''))
    if (token === undefined || token.left === 0 || !token.scope.startsWith(scope)) {
      const challenge = `Bearer realm="http://${server.host}/token",service="guard",scope="${scope}"`
      return void response.writeHead(401, { 'www-authenticate': challenge }).end('{}')
    }
    token.left -= 1
    await forward(request, response, `http://${registryHost}${request.url}`)
  })
  return server
}

function grantedScope(request: IncomingMessage, url: URL, accounts: readonly Account[]): string {
  const account = accounts.find(({ user, password }) => {
    return request.headers.authorization === `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  })
  if (account === undefined || url.searchParams.get('service') !== 'guard') return ''
  const scope = url.searchParams.get('scope') ?? ''
  return account.actions === 'pull' ? scope.replace(',push', '') : scope
}

async function forward(request: IncomingMessage, response: ServerResponse, url: string): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const { accept, 'content-type': type } = request.headers
  const answer = await fetch(url, {
    method: request.method ?? 'GET',
    headers: {
      ...(accept === undefined ? {} : { accept }),
      ...(type === undefined ? {} : { 'content-type': type }),
    },
    ...(parts.length === 0 ? {} : { body: Buffer.concat(parts) }),
  })
  const kept = ['content-type', 'docker-content-digest'].flatMap((name) => {
    const value = answer.headers.get(name)
    return value === null ? [] : [[name, value]]
  })
  response.writeHead(answer.status, Object.fromEntries(kept) as Record<string, string>)
  response.end(Buffer.from(await answer.arrayBuffer()))
}
