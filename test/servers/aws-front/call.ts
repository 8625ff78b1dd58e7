import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { Parameters } from './query.ts'
import type { World } from './world.ts'

/** One request to one operation of a service. */
export interface Call {
  /** As in the credential scope: ec2, ebs, s3, iam, sts, ssm. */
  readonly service: string
  readonly region: string
  /** The operation as the service's model names it: RunInstances, PutSnapshotBlock, UploadPart. */
  readonly action: string
  readonly method: string
  /** With the query, as it stood in the request line. */
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** Header names and values as they came, for passing on. */
  readonly rawHeaders: readonly string[]
  /** The query form; for REST services path, query, `x-amz-*` headers and the top level of a JSON body. */
  readonly parameters: Parameters
  /** Empty for S3, whose bodies are not kept. */
  readonly body: Buffer
  /** Of a body that is kept. */
  readonly bodySha256?: Buffer
  /** The body of an S3 request on its way. */
  readonly stream?: IncomingMessage
  /** ARN of the user or role whose key signed it. */
  readonly caller: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Buffer | Readable
}

/** An operation that the front does, checks or completes itself. */
export type Operation = (call: Call, world: World) => Promise<Answer>

/** What a test sees of a request. */
export interface FrontRequest {
  readonly service: string
  readonly region: string
  readonly action: string
  readonly parameters: Parameters
  readonly accessKeyId: string
  /** It went to an address that bears its signature. */
  readonly isPresigned?: boolean
  /** Milliseconds since the epoch when its head came. */
  readonly at: number
  /** Of the body, as they came over the wire. */
  bodyBytes: number
  /** 0 while nothing has been answered; stays 0 when the connection is cut or left without an answer. */
  status: number
  /** The code of the refusal, when the front itself refused. */
  refusal?: string
}
