import { type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'

export interface ProxiedAnswer {
  status: number
  headers: OutgoingHttpHeaders
  body: Buffer
}

/** Passes a request on to a real service, body and all as it comes, and gives its whole answer. */
export async function passOn(incoming: IncomingMessage, target: string): Promise<ProxiedAnswer> {
  const { method = 'GET', headers } = incoming
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const { host: _, ...others } = headers
  const outgoing = httpRequest(target, { method, headers: others }, resolve)
  outgoing.on('error', reject)
  // Who goes away in the middle is gone for the service, too.
  incoming.on('close', () => {
    if (!incoming.complete) outgoing.destroy()
  })
  pipeline(incoming, outgoing).catch(reject)
  const answer = await promise
  const body = await buffer(answer)
  const { connection: __, 'transfer-encoding': ___, ...kept } = answer.headers
  return { status: answer.statusCode ?? 502, headers: kept, body }
}
