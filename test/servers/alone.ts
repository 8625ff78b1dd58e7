import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'

/**
 * Does the work while no other process on this machine does work of that name; whoever comes meanwhile waits for its end.
 * The name is a socket of the kernel's, so it is free again however its holder ended.
 */
export async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  const path = `\0image-factory-${name}`
  let holding = await hold(path)
  while (!holding) {
    await endOfHolder(path)
    holding = await hold(path)
  }
  try {
    return await work()
  } finally {
    holding.close()
    holding.emit('release')
  }
}

async function hold(path: string): Promise<Server | undefined> {
  const server = createServer((waiting) => {
    waiting.on('error', () => {})
    server.once('release', () => waiting.destroy())
  })
  server.setMaxListeners(0)
  try {
    server.listen(path)
    await once(server, 'listening')
    return server
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
    throw error
  }
}

/** A connection to the holder closes when it lets go or dies; without a holder there is none at all. */
async function endOfHolder(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const socket = connect(path)
  // How it ends does not matter, and an error is followed by the end.
  socket.on('error', () => {}).on('close', () => resolve())
  socket.resume()
  await promise
}
