import { createTransport } from 'nodemailer'
import type { NotifyConfiguration } from '#src/config/types.ts'
import { FactoryError } from '#src/errors.ts'
import { createMask, type Mask } from '#src/mask.ts'
import { refused, unreachable } from './failures.ts'
import { readSecret } from './secret-file.ts'
import { plainText } from './tidy.ts'
import type { Message, Receiver } from './types.ts'

type Email = Extract<NotifyConfiguration, { kind: 'email' }>

/** Sends plain text by SMTP; the certificate of the server is checked, and without TLS nothing leaves this machine. */
export function email(configuration: Email): Receiver {
  return {
    async send(message, { signal }) {
      const { passwordFile, to } = configuration
      const password = passwordFile === undefined ? undefined : await readSecret(passwordFile)
      const mask = createMask(password === undefined ? [] : [password])
      const transport = createTransport(transportOf(configuration, password))
      try {
        const { rejected } = await transport.sendMail({ ...mailOf(configuration, message), signal })
        if (rejected.length > 0) throw someRefused(rejected.map(String), to.length, mask)
      } catch (error) {
        signal.throwIfAborted()
        throw error instanceof FactoryError ? error : failureOf(error, mask)
      } finally {
        transport.close()
      }
    },
  }
}

function transportOf({ server, tls, user }: Email, password: string | undefined) {
  const colon = server.lastIndexOf(':')
  return {
    host: server.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(server.slice(colon + 1)),
    secure: tls === 'required',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2' as const },
    disableFileAccess: true,
    disableUrlAccess: true,
    ...(user === undefined ? {} : { auth: { user, pass: password ?? '' }, forceAuth: true }),
  }
}

/** The id is the same for every try, so that a mailbox can know the second of two as the first. */
function mailOf({ from, to }: Email, message: Message) {
  const domain = /@([\w.-]+)>?\s*$/.exec(from)?.[1] ?? 'factory.invalid'
  return {
    from,
    to,
    subject: message.title,
    text: `${plainText(message)}\n`,
    date: new Date(message.at),
    messageId: `<factory-${message.id}@${domain}>`,
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Factory-Occasion': message.occasion },
  }
}

/** The others have it, so it is not sent again. */
function someRefused(addresses: readonly string[], all: number, mask: Mask): FactoryError {
  const what = `${addresses.join(', ')} (${addresses.length} of ${all})`
  return refused({ what, class: 'user', hint: 'Take the address out of "to", or mend it.' }, mask)
}

const noStarttls = 'There is no STARTTLS at this port: name the one for TLS and write "tls: required".'

/** https://nodemailer.com/errors: an answer of the server has a code, which begins with 4 for what may pass. */
function failureOf(error: unknown, mask: Mask): FactoryError {
  const {
    code,
    responseCode,
    response = '',
  } = error as { code?: string; responseCode?: number; response?: string }
  const what = response === '' ? String((error as Error).message) : response
  const mayPass = responseCode !== undefined && responseCode < 500
  if (code === 'ETLS' && responseCode !== undefined)
    return refused({ what, class: mayPass ? 'infra' : 'user', hint: noStarttls }, mask)
  if (mayPass)
    return refused({ what, class: 'infra', hint: 'The mail server wants to be asked later.' }, mask)
  if (code === 'EAUTH' || code === 'ENOAUTH')
    return refused(
      { what, class: 'permission', hint: 'Look at "user" and at the file "passwordFile".' },
      mask,
    )
  if (responseCode !== undefined)
    return refused(
      { what, class: 'user', hint: 'Look at "from" and "to": the mail server does not take them.' },
      mask,
    )
  return unreachable(error, mask)
}
