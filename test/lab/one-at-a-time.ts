import { once } from 'node:events'
import { type Server, type Socket, createConnection, createServer } from 'node:net'

/**
 * Does the work while no other process of this machine does any under that name. Who has the name listens on it as an
 * abstract socket (unix(7)), which goes with its process, however that ends; the others are connected to it and wait.
 */
export async function oneAtATime<T>(name: string, work: () => Promise<T>): Promise<T> {
  const path = `\0${name}`
  for (;;) {
    const waiting = new Set<Socket>()
    const server = createServer((socket) => waiting.add(socket.on('error', () => {})))
    if (await listens(server, path)) {
      try {
        return await work()
      } finally {
        server.close()
        for (const socket of waiting) socket.destroy()
      }
    }
    await untilItEnds(path)
  }
}

async function listens(server: Server, path: string): Promise<boolean> {
  try {
    await once(server.listen(path), 'listening')
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  }
}

async function untilItEnds(path: string): Promise<void> {
  const socket = createConnection(path)
  // Refused, reset or ended: whoever had the name has it no more.
  const ended = new Promise((resolve) => socket.on('close', resolve))
  socket.on('error', () => {}).resume()
  await ended
}
