import { type LoopbackServer, serveOnLoopback } from '#test/servers/loopback.ts'
import type { WorldCloud } from './cloud-worlds.ts'

/** Answers for the machines of a world's cloud, to orchestrators in processes of their own: `GET /ID`. */
export async function answeringMachines({ answerOf }: WorldCloud): Promise<LoopbackServer | undefined> {
  if (!answerOf) return undefined
  return await serveOnLoopback(async ({ url = '' }, outgoing) => {
    outgoing.on('error', () => {})
    const said = await answerOf(url.slice(1)).catch((error: unknown) => {
      process.stderr.write(`the machine ${url}: ${String(error)}\n`)
      return undefined
    })
    outgoing.writeHead(said === undefined ? 503 : 200).end(said)
  })
}
