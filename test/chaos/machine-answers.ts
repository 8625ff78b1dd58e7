import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { WorldCloud } from './cloud-worlds.ts'

/** Answers for the machines of a world's cloud, to orchestrators in processes of their own: `GET /ID`. */
export async function answeringMachines({
  answerOf,
}: WorldCloud): Promise<(AsyncDisposable & { url: string }) | undefined> {
  if (!answerOf) return undefined
  const server = createServer(async ({ url = '' }, outgoing) => {
    outgoing.on('error', () => {})
    const said = await answerOf(url.slice(1)).catch((error: unknown) => {
      process.stderr.write(`the machine ${url}: ${String(error)}\n`)
      return undefined
    })
    outgoing.writeHead(said === undefined ? 503 : 200).end(said)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
