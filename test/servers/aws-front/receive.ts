import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Call, FrontRequest } from './call.ts'
import { operationOf } from './operation.ts'
import { readAuthorization } from './signature.ts'
import type { Authorization } from './signature.ts'

/** A request whose head, and unless it goes to S3 whose body, has come. */
export interface Received {
  readonly call: Omit<Call, 'caller'>
  readonly record: FrontRequest
  readonly authorization: Authorization | undefined
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** Undefined where it is still on its way. */
  readonly body: Buffer | undefined
}

/** Reads the request and records it; the scope of its signature says which service and region it is for. */
export async function receive(incoming: IncomingMessage, requests: FrontRequest[]): Promise<Received> {
  const { method = '', url = '', headers, rawHeaders } = incoming
  const at = Date.now()
  const authorization = readAuthorization(headers.authorization)
  const { service = '', region = '', accessKeyId = '' } = authorization ?? {}
  const isStreamed = service === 's3'
  const body = isStreamed ? undefined : await buffer(incoming)
  const { action, parameters } = operationOf({ service, method, url, headers }, body ?? Buffer.alloc(0))
  const bodyBytes = body?.length ?? 0
  const record: FrontRequest = { service, region, action, parameters, accessKeyId, at, bodyBytes, status: 0 }
  requests.push(record)
  if (isStreamed) incoming.on('data', (bytes: Buffer) => (record.bodyBytes += bytes.length)).pause()
  const head = { service, region, action, parameters, method, url, headers, rawHeaders }
  const call = { ...head, body: body ?? Buffer.alloc(0), ...(isStreamed ? { stream: incoming } : {}) }
  return { call, record, authorization, method, url, headers, body }
}
