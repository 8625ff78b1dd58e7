import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { FactoryError } from '#src/errors.ts'
import type { Hypervisor } from './hypervisor.ts'

/** Below the ports that systems hand out to outgoing connections. */
const range = { first: 20_000, last: 32_000 }
const tries = 50

/**
 * A port on the hypervisor's loopback that is probably free. Whether it is free only shows when the machine starts,
 * so whoever uses it must be ready to take another one.
 */
export async function pickPort(hypervisor: Hypervisor): Promise<number> {
  let port = randomInt(range.first, range.last)
  if (hypervisor.ssh) return port
  for (let attempt = 1; attempt < tries && !(await isFreeHere(port)); attempt += 1) {
    port = randomInt(range.first, range.last)
  }
  return port
}

/** Whether a machine did not start because its port was taken meanwhile. */
export function isPortTaken(error: unknown): boolean {
  return error instanceof FactoryError && /host forwarding rule|address already in use/i.test(error.message)
}

async function isFreeHere(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', () => resolve(false))
  server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)))
  return await promise
}
