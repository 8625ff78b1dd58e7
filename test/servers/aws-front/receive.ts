import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Call, FrontRequest } from './call.ts'
import { operationOf } from './operation.ts'
import { readAuthorization, readPresigned } from './signature.ts'
import type { Authorization } from './signature.ts'

/** A request whose head, and unless it goes to S3 whose body, has come; nobody knows yet who sent it. */
export interface Received {
  readonly call: Omit<Call, 'caller'>
  readonly record: FrontRequest
  readonly authorization: Authorization | undefined
}

/** Reads the request and records it; the scope of its signature says which service and region it is for. */
export async function receive(incoming: IncomingMessage, requests: FrontRequest[]): Promise<Received> {
  const { method = '', url = '', headers, rawHeaders } = incoming
  const at = Date.now()
  const authorization = readAuthorization(headers.authorization) ?? readPresigned(url)
  const { service = '', region = '', accessKeyId = '' } = authorization ?? {}
  const isStreamed = service === 's3'
  const body = isStreamed ? Buffer.alloc(0) : await buffer(incoming)
  const { action, parameters } = operationOf({ service, method, url, headers }, body)
  const bodyBytes = body.length
  const isPresigned = authorization?.presigned !== undefined
  const who = { accessKeyId, ...(isPresigned ? { isPresigned } : {}) }
  const record: FrontRequest = { service, region, action, parameters, ...who, at, bodyBytes, status: 0 }
  requests.push(record)
  if (isStreamed) incoming.on('data', (bytes: Buffer) => (record.bodyBytes += bytes.length)).pause()
  // A block is hashed once, for its signature and its checksum.
  const content = isStreamed
    ? { stream: incoming }
    : { bodySha256: createHash('sha256').update(body).digest() }
  const call = { service, region, action, parameters, method, url, headers, rawHeaders, body, ...content }
  return { call, record, authorization }
}
