import { createHmac } from 'node:crypto'
import type { NotifyConfiguration } from '#src/config/types.ts'
import { deliver } from './http.ts'
import { readAddress, readSecret } from './secret-file.ts'
import type { Message, Receiver } from './types.ts'

type Webhook = Extract<NotifyConfiguration, { kind: 'webhook' }>

/** Posts each message as JSON. With a secret, the raw body is signed as GitHub signs its webhooks. */
export function webhook({ urlFile, secretFile }: Webhook): Receiver {
  return {
    async send(message, sending) {
      const address = await readAddress(urlFile)
      const secret = secretFile === undefined ? undefined : await readSecret(secretFile)
      const body = webhookBody(message)
      const headers = {
        'x-factory-delivery': message.id,
        'x-factory-occasion': message.occasion,
        ...(secret === undefined ? {} : { 'x-factory-signature-256': signatureOf(body, secret) }),
      }
      const secrets = secret === undefined ? [] : [secret]
      await deliver({ method: 'POST', address, headers, body, secrets }, sending)
    },
  }
}

/** `sha256=` and the HMAC of the body in hex. */
export function signatureOf(body: string, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
}

function webhookBody({ id, at, occasion, release, title, text, hint, page, facts }: Message): string {
  const time = new Date(at).toISOString()
  return JSON.stringify({ version: 1, id, time, occasion, release, title, text, hint, page, facts })
}
