import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'

/** What a store answers to a PUT. */
export interface PutAnswer {
  readonly status: number
  readonly tag: string | undefined
  readonly text: string
}

/** A line on which nothing moves any more for so long is given up. */
const standstillMs = 60_000

/**
 * Sends a stream of known length to an address. Not by fetch: that takes the whole of a part into memory first. Nothing of
 * ours goes along but the headers that are given.
 */
export async function putStream(
  address: string,
  headers: Readonly<Record<string, string>>,
  body: Readable,
  signal: AbortSignal,
): Promise<PutAnswer> {
  const send = address.startsWith('https:') ? httpsRequest : httpRequest
  const outgoing = send(address, { method: 'PUT', headers, signal, timeout: standstillMs })
  outgoing.on('timeout', () => outgoing.destroy(new DOMException('nothing moves any more', 'TimeoutError')))
  const answered = Promise.withResolvers<IncomingMessage>()
  outgoing.on('response', answered.resolve).on('error', answered.reject)
  // A refusal may come before the whole body has gone, and is the answer then.
  const sent = pipeline(body, outgoing)
  sent.catch(answered.reject)
  try {
    const answer = await answered.promise
    const { etag } = answer.headers
    return { status: answer.statusCode ?? 0, tag: etag, text: await text(answer) }
  } finally {
    // Where something of it has not gone, this ends the connection, too.
    body.destroy()
    await sent.catch(() => {})
  }
}
