import { FactoryError, type FailureClass } from '#src/errors.ts'
import type { Mask } from '#src/mask.ts'
import { oneLine } from './tidy.ts'

export interface Refusal {
  /** For people: `HTTP 404: no_service`. */
  what: string
  class: FailureClass
  hint: string
  /** Milliseconds that the receiver wants to be left alone. */
  retryAfterMs?: number
}

/** The receiver answered, and did not take the message. Foreign words come in without our secrets in them. */
export function refused({ what, hint, retryAfterMs, ...facts }: Refusal, mask: Mask): FactoryError {
  return new FactoryError({
    code: 'notify-refused',
    class: facts.class,
    message: `the message was not taken: ${mask.text(oneLine(what))}`,
    hint,
    context: retryAfterMs === undefined ? {} : { retryAfterMs },
  })
}

/** No answer came. The cause is left out: it may hold the address, which is a secret. */
export function unreachable(error: unknown, mask: Mask): FactoryError {
  const { code, text } = reasonOf(error)
  const certificate = /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/.test(code)
  return new FactoryError({
    code: 'notify-unreachable',
    class: certificate ? 'user' : 'infra',
    message: `no connection: ${mask.text(oneLine(text))}`,
    hint: certificate
      ? 'The certificate of the server is not one that this machine trusts. For a private authority set NODE_EXTRA_CA_CERTS=FILE.'
      : 'Look at the address and at the network.',
  })
}

/** Nothing is sent to files, sockets and what else an address may name. */
export function notHttp(): FactoryError {
  return new FactoryError({
    code: 'notify-unreachable',
    class: 'user',
    message: 'the address does not begin with https:// or http://',
    hint: 'Write the whole address.',
  })
}

/** What lies at the bottom: fetch and nodemailer wrap the failure of the socket. */
function reasonOf(error: unknown): { code: string; text: string } {
  let reason = error
  while (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause
  const inner = reason instanceof AggregateError ? (reason.errors[0] as unknown) : reason
  if (!(inner instanceof Error)) return { code: '', text: String(inner) }
  const { code = '', originalCode = '' } = inner as { code?: string; originalCode?: string }
  return { code: `${originalCode} ${code}`, text: inner.message || code }
}
