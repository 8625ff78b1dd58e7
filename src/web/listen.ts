import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { FactoryError } from '#src/errors.ts'
import { type AppOptions, createApp } from './app.ts'
import { type SocketPath, socketPath } from './socket-path.ts'
import { openAccess } from './tokens.ts'
import type { Serving } from './types.ts'
import { readWebhookSecret } from './webhooks.ts'

export interface Listening extends AsyncDisposable {
  /** Where the page is. */
  url: string
  /** The socket for commands of the same user. */
  socket: string
  /** Present when it was made now: it is nowhere else, so it must be shown. */
  token?: string
  /** Ends the streams, lets running answers end for `graceMs` milliseconds, closes what is still open then. */
  close(): Promise<void>
}

export interface ListenOptions extends Pick<AppOptions, 'bodyMs' | 'heartbeatMs'> {
  graceMs?: number
  /** Milliseconds in which nothing moves on a connection until it is closed. */
  idleMs?: number
}

/** Milliseconds; a client that is slower than that is none. */
const headersMs = 10_000
const requestMs = 30_000
const mostConnections = 512

/**
 * Serves the page and the API on `serve.listen`, and on a socket in the state directory that only this user can open.
 * Throws `web-address-taken`, `factory-already-serving`, `webhook-secret-unreadable`, `web-access-broken`.
 */
export async function listen(serving: Serving, options: ListenOptions = {}): Promise<Listening> {
  const { graceMs = 5_000, idleMs = 60_000, ...rest } = options
  const { stateDirectory, serve } = serving.configuration
  const webhookSecret = readWebhookSecret(serve.webhookSecret)
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 })
  await refuseSecond(stateDirectory)
  const { access, token, forget } = openAccess(stateDirectory, () => serving.now())
  const closing = new AbortController()
  const app = createApp(serving, { ...rest, access, webhookSecret, closing: closing.signal })
  const page = serverOf(app.fetch, false, idleMs)
  const local = serverOf(app.fetch, true, idleMs)
  const path = socketPath(stateDirectory)
  const end = async () => {
    closing.abort()
    await Promise.all([closed(page, graceMs), closed(local, graceMs)])
    rmSync(path.file, { force: true })
    path[Symbol.dispose]()
  }
  let ended: Promise<void> | undefined
  const close = () => (ended ??= end())
  try {
    await started(page, () => page.listen(serve.port, serve.host), `${serve.host}:${serve.port}`)
    await started(local, () => listenPrivately(local, path), path.file)
  } catch (error) {
    await close()
    forget()
    throw error
  }
  return {
    url: urlOf(serve.host, page),
    socket: path.file,
    ...(token === undefined ? {} : { token }),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function serverOf(fetch: ReturnType<typeof createApp>['fetch'], local: boolean, idleMs: number): Server {
  const server = createAdaptorServer({
    fetch: (request, env) => fetch(request, { ...env, local }),
    overrideGlobalObjects: false,
    serverOptions: {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: 2_000,
      keepAliveTimeout: 5_000,
      maxHeaderSize: 16 * 1024,
    },
  }) as Server
  server.maxConnections = mostConnections
  // An answer that nobody takes is not kept; one that is still being worked on is waited for.
  server.setTimeout(idleMs, (socket) => {
    if (socket.writableLength > 0) socket.destroy()
  })
  return server
}

async function started(server: Server, start: () => void, where: string): Promise<void> {
  try {
    start()
    await once(server, 'listening')
  } catch (error) {
    throw new FactoryError({
      code: 'web-address-taken',
      message: `cannot listen on ${where}: ${(error as Error).message}`,
      hint: 'Name another address under serve.listen, or end what listens there (ss -ltnp).',
      class: 'user',
      cause: error,
    })
  }
}

/** The socket has its rights from the moment that it is there: the directory may be one that others can look into. */
function listenPrivately(server: Server, { file, address }: SocketPath): void {
  rmSync(file, { force: true })
  const before = process.umask(0o177)
  try {
    server.listen(address)
  } finally {
    process.umask(before)
  }
}

/** A socket on which nobody answers was left behind by a process that was killed. */
async function refuseSecond(stateDirectory: string): Promise<void> {
  using path = socketPath(stateDirectory)
  const socket = connect(path.address)
  try {
    await once(socket, 'connect')
  } catch {
    return
  } finally {
    socket.destroy()
  }
  throw new FactoryError({
    code: 'factory-already-serving',
    message: `another factory serve answers on ${path.file}`,
    hint: 'End that one first; one is enough for a state directory.',
    class: 'user',
  })
}

async function closed(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return
  const done = once(server, 'close')
  server.close()
  const late = setTimeout(() => server.closeAllConnections(), graceMs)
  await done
  clearTimeout(late)
}

function urlOf(host: string, server: Server): string {
  const { port } = server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}/`
}
