import type { IncomingHttpHeaders } from 'node:http'

export type Service = 'identity' | 'image' | 'compute' | 'volume' | 'network'

/** One request to a service, as an operation sees it. */
export interface Call {
  readonly method: string
  /** Below the service's own address, beginning with a slash. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** Undefined without a body. */
  readonly json: unknown
  /** Whose token it is. */
  readonly projectId: string
  readonly userId: string
  readonly token: string
}

export interface Answer {
  readonly status: number
  readonly json?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** What a test sees of a request. */
export interface Seen {
  readonly service: Service
  readonly method: string
  readonly path: string
  readonly query: string
  readonly json: unknown
  /** 0 while nothing has been answered; stays 0 when the connection is cut or left without an answer. */
  status: number
}

/** A service says no, in the way that it writes that down. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly type: string

  constructor(status: number, message: string, type = '') {
    super(message)
    this.status = status
    this.type = type
  }
}

/** https://docs.openstack.org/api-guide/compute/faults.html; Neutron has a way of its own. */
export function refusalAnswer(service: Service, { status, message, type }: Refusal): Answer {
  if (service === 'network') return { status, json: { NeutronError: { type, message, detail: '' } } }
  const names: Record<number, string> = {
    400: 'badRequest',
    403: 'forbidden',
    404: 'itemNotFound',
    409: 'conflictingRequest',
    413: 'overLimit',
    500: 'computeFault',
  }
  return { status, json: { [names[status] ?? 'fault']: { code: status, message } } }
}
