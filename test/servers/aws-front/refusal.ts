import { randomUUID } from 'node:crypto'
import type { Answer } from './call.ts'
import { escapeXml } from './xml.ts'

export interface RefusalFacts {
  code: string
  message: string
  /** 400 when not given. */
  status?: number
  /** What EBS direct says besides the code. */
  reason?: string
}

/** AWS says no; each service has its own way to write that down. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: string
  readonly status: number
  readonly reason: string | undefined

  constructor(facts: RefusalFacts) {
    super(facts.message)
    this.code = facts.code
    this.status = facts.status ?? 400
    this.reason = facts.reason
  }
}

/** The refusal as the service writes it on the wire. */
export function refusalAnswer(service: string, refusal: Refusal): Answer {
  const id = randomUUID()
  if (service === 'ec2') return xmlAnswer(refusal, ec2Error(refusal, id))
  if (service === 's3') return xmlAnswer(refusal, s3Error(refusal, id))
  if (service === 'iam' || service === 'sts') return xmlAnswer(refusal, queryError(refusal, id))
  return jsonAnswer(refusal, id)
}

function xmlAnswer({ status }: Refusal, text: string): Answer {
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`)
  return { status, headers: { 'content-type': 'text/xml;charset=UTF-8' }, body }
}

function ec2Error(refusal: Refusal, id: string): string {
  return `<Response><Errors><Error>${codeAndMessage(refusal)}</Error></Errors><RequestID>${id}</RequestID></Response>`
}

function s3Error(refusal: Refusal, id: string): string {
  return `<Error>${codeAndMessage(refusal)}<RequestId>${id}</RequestId><HostId>${id}</HostId></Error>`
}

function queryError(refusal: Refusal, id: string): string {
  const type = refusal.status < 500 ? 'Sender' : 'Receiver'
  return `<ErrorResponse><Error><Type>${type}</Type>${codeAndMessage(refusal)}</Error><RequestId>${id}</RequestId></ErrorResponse>`
}

function codeAndMessage({ code, message }: Refusal): string {
  return `<Code>${code}</Code><Message>${escapeXml(message)}</Message>`
}

/** EBS direct names the error in a header, the JSON services in the body as well. */
function jsonAnswer({ code, message, reason, status }: Refusal, id: string): Answer {
  const said = {
    __type: code,
    message,
    Message: message,
    ...(reason === undefined ? {} : { Reason: reason }),
  }
  const headers = {
    'content-type': 'application/json',
    'x-amzn-errortype': code,
    'x-amzn-requestid': id,
  }
  return { status, headers, body: Buffer.from(JSON.stringify(said)) }
}
