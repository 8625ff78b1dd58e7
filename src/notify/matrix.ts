import type { NotifyConfiguration } from '#src/config/types.ts'
import { deliver } from './http.ts'
import { readSecret } from './secret-file.ts'
import { plainText } from './tidy.ts'
import type { Message, Receiver } from './types.ts'

type Matrix = Extract<NotifyConfiguration, { kind: 'matrix' }>

/**
 * Sends into a room. The homeserver takes one message a transaction id and answers a repeated one with the event that is
 * there already. https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid
 */
export function matrix({ homeserver, room, tokenFile }: Matrix): Receiver {
  return {
    async send(message, sending) {
      const token = await readSecret(tokenFile)
      const path = `_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/factory-${message.id}`
      const address = new URL(path, homeserver.endsWith('/') ? homeserver : `${homeserver}/`)
      const headers = { authorization: `Bearer ${token}` }
      const body = JSON.stringify(contentOf(message))
      const secrets = [token]
      await deliver({ method: 'PUT', address, headers, body, secrets, explain: explainMatrix }, sending)
    },
  }
}

/** An empty `m.mentions` says that nobody is meant, whatever names the text has in it. */
function contentOf(message: Message): object {
  const { title, text, hint, page } = message
  const parts = [
    `<p><strong>${escaped(title)}</strong></p>`,
    text === '' ? '' : `<pre><code>${escaped(text)}</code></pre>`,
    hint === undefined ? '' : `<p>→ <code>${escaped(hint)}</code></p>`,
    page === undefined ? '' : `<p><a href="${escaped(page)}">${escaped(page)}</a></p>`,
  ]
  return {
    msgtype: 'm.text',
    body: `${title}\n\n${plainText(message)}`.trimEnd(),
    format: 'org.matrix.custom.html',
    formatted_body: parts.join(''),
    'm.mentions': {},
  }
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

/** https://spec.matrix.org/latest/client-server-api/#standard-error-response */
function explainMatrix(
  _status: number,
  text: string,
): { hint: string } | { retryAfterMs: number } | undefined {
  const { errcode, retry_after_ms: wait } = standardError(text)
  if (errcode === 'M_LIMIT_EXCEEDED' && typeof wait === 'number' && wait >= 0) return { retryAfterMs: wait }
  if (errcode === 'M_UNKNOWN_TOKEN' || errcode === 'M_MISSING_TOKEN')
    return {
      hint: 'The access token is not valid (any more): log in again as the bot and write the new one into tokenFile.',
    }
  if (errcode === 'M_FORBIDDEN')
    return {
      hint: 'The account of the token must be in the room and allowed to write there: invite it, and let it join.',
    }
  if (errcode === 'M_NOT_FOUND' || errcode === 'M_UNRECOGNIZED')
    return {
      hint: 'Is "homeserver" the address of its client-server API, and "room" the id of a room (not its #alias)?',
    }
  return undefined
}

function standardError(text: string): { errcode?: unknown; retry_after_ms?: unknown } {
  try {
    return (JSON.parse(text) ?? {}) as object
  } catch {
    return {}
  }
}
