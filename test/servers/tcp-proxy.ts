import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export type NetworkFault = 'reset' | 'black-hole' | 'flipped-bit'

/** The network between the factory and a server on loopback; everything can be changed while connections live. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** Connections taken so far. */
  readonly accepted: number
  /** Where the next connections go. */
  targetPort: number
  /** Milliseconds that everything takes each way. */
  delayMs: number
  /** Of each connection, each way. */
  bytesPerSecond: number
  /** From now on connections are taken and held: nothing is forwarded, and nobody is told of an end. */
  blackHole(): void
  /** Forwards again, what was held first. */
  pass(): void
  /** Breaks every connection with a RST on both sides. */
  reset(): void
  /**
   * Lets the fault happen when so many more bytes have come from the servers, all connections together; a flipped bit
   * is in the byte that follows them. Resolves when it has happened.
   */
  breakAfter(bytes: number, fault: NetworkFault): Promise<void>
}

interface Plan {
  leftBytes: number
  fault: NetworkFault
  happened: () => void
}

/** Starts a proxy on a free loopback port. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const open = new Set<Socket>()
  let accepted = 0
  const gate: { opens?: PromiseWithResolvers<void> } = {}
  let plan: Plan | undefined

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => void join(client))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  const proxy: TcpProxy = {
    port,
    get accepted() {
      return accepted
    },
    targetPort,
    delayMs: 0,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    blackHole() {
      gate.opens ??= Promise.withResolvers()
    },
    pass() {
      gate.opens?.resolve()
      delete gate.opens
    },
    reset() {
      for (const socket of open) socket.resetAndDestroy()
    },
    breakAfter(bytes, fault) {
      const { promise, resolve } = Promise.withResolvers<void>()
      plan = { leftBytes: bytes, fault, happened: resolve }
      return promise
    },
    async [Symbol.asyncDispose]() {
      proxy.pass()
      proxy.reset()
      server.close()
      await once(server, 'close')
    },
  }

  async function join(client: Socket): Promise<void> {
    accepted += 1
    keep(client)
    await wayIsFree()
    const target = connect({ host: '127.0.0.1', port: proxy.targetPort, allowHalfOpen: true, noDelay: true })
    keep(target)
    void carry(client, target, write)
    void carry(target, client, writeOrBreak)
  }

  function keep(socket: Socket): void {
    open.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => open.delete(socket))
  }

  async function wayIsFree(): Promise<void> {
    while (gate.opens) await gate.opens.promise
  }

  /** What is on its way for `delayMs` is not waited for, as on a real line; without a delay the reader is the brake. */
  async function carry(from: Socket, to: Socket, deliver: typeof write): Promise<void> {
    let delivered = Promise.resolve()
    try {
      for await (const bytes of from.iterator({ destroyOnReturn: false })) {
        const takesMs = (bytes.length / proxy.bytesPerSecond) * 1000
        if (takesMs > 0) await sleep(takesMs)
        const dueAt = Date.now() + proxy.delayMs
        delivered = delivered.then(() => arrive(dueAt)).then(() => deliver(bytes as Buffer, to))
        if (proxy.delayMs === 0) await delivered
      }
      await delivered
      await wayIsFree()
      to.end()
    } catch {
      await wayIsFree()
      to.resetAndDestroy()
    }
  }

  async function arrive(dueAt: number): Promise<void> {
    const leftMs = dueAt - Date.now()
    if (leftMs > 0) await sleep(leftMs)
    await wayIsFree()
  }

  async function writeOrBreak(bytes: Buffer, to: Socket): Promise<void> {
    if (!plan || plan.leftBytes >= bytes.length) {
      if (plan) plan.leftBytes -= bytes.length
      return write(bytes, to)
    }
    const { leftBytes, fault, happened } = plan
    plan = undefined
    if (fault === 'flipped-bit') bytes.writeUInt8(bytes.readUInt8(leftBytes) ^ 1, leftBytes)
    await write(fault === 'flipped-bit' ? bytes : bytes.subarray(0, leftBytes), to)
    if (fault === 'reset') proxy.reset()
    happened()
    if (fault !== 'black-hole') return
    proxy.blackHole()
    await wayIsFree()
    await write(bytes.subarray(leftBytes), to)
  }

  return proxy
}

/** Resolves when the system has taken the bytes, or the socket is gone. */
function write(bytes: Buffer, to: Socket): Promise<void> {
  return new Promise((resolve) => to.write(bytes, () => resolve()))
}
