import { once } from 'node:events'
import { type Server, type Socket, createConnection, createServer } from 'node:net'

/**
 * Does the work while no other process here does any under that name. Who has the name listens on it as an abstract socket
 * (unix(7)), which goes with its process, however that ends; the others are connected to it and wait.
 */
export async function oneAtATime<T>(
  name: string,
  report: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const path = `\0${name}`
  for (let waits = 0; ; waits++) {
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
    if (waits === 0)
      report(`another process is at work on ${name} (ss -xlp shows which): waiting until it ends`)
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

/** Refused, reset or ended: whoever had the name has it no more. */
async function untilItEnds(path: string): Promise<void> {
  const socket = createConnection(path)
  const ended = Promise.withResolvers<void>()
  socket.on('close', () => ended.resolve())
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNREFUSED' && error.code !== 'ECONNRESET') ended.reject(error)
  })
  socket.resume()
  await ended.promise
}
