import { createMask, type Mask } from '#src/mask.ts'
import { notHttp, type Refusal, refused, unreachable } from './failures.ts'
import type { Sending } from './types.ts'

export interface Letter {
  method: 'POST' | 'PUT'
  address: URL
  headers?: Readonly<Record<string, string>>
  body: string
  /** What must not be in any message, besides the address. */
  secrets?: readonly string[]
  /** What to do about a refusal, by its status and the first of its body; undefined for what every receiver has in common. */
  explain?(status: number, text: string): Partial<Refusal> | undefined
}

const mostOfAnswerBytes = 4096

/**
 * Sends one letter once. A redirect is not followed, for it would take the letter, and with it a token, to somebody else.
 * Throws `notify-refused` or `notify-unreachable`.
 */
export async function deliver(letter: Letter, { signal, now }: Sending): Promise<void> {
  const mask = maskOf(letter)
  if (!/^https?:$/.test(letter.address.protocol)) throw notHttp()
  let answer: Response
  let text: string
  try {
    answer = await fetch(...requestOf(letter, signal))
    text = answer.ok ? '' : await firstOf(answer)
    await answer.body?.cancel().catch(() => {})
  } catch (error) {
    signal.throwIfAborted()
    throw unreachable(error, mask)
  }
  if (answer.ok) return
  const general = explained(answer.status)
  const special = letter.explain?.(answer.status, text)
  const wait = special?.retryAfterMs ?? retryAfterMs(answer.headers.get('retry-after'), now())
  const what = `HTTP ${answer.status}${text === '' ? '' : `: ${mask.text(text).slice(0, 300)}`}`
  throw refused({ what, ...general, ...special, ...(wait === undefined ? {} : { retryAfterMs: wait }) }, mask)
}

/** A user and a password in the address are sent as a header: fetch refuses such an address, and names it. */
function requestOf({ method, address, headers, body }: Letter, signal: AbortSignal): [URL, RequestInit] {
  const bare = new URL(address)
  bare.username = bare.password = bare.hash = ''
  const user = `${decodeURIComponent(address.username)}:${decodeURIComponent(address.password)}`
  const basic = user === ':' ? {} : { authorization: `Basic ${Buffer.from(user).toString('base64')}` }
  const all = { 'content-type': 'application/json', 'user-agent': 'image-factory', ...basic, ...headers }
  return [bare, { method, headers: all, body, redirect: 'manual', signal }]
}

async function firstOf(answer: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of answer.body ?? []) {
    parts.push(part as Uint8Array)
    bytes += (part as Uint8Array).byteLength
    if (bytes >= mostOfAnswerBytes) break
  }
  return Buffer.concat(parts).subarray(0, mostOfAnswerBytes).toString('utf8')
}

function explained(status: number): Pick<Refusal, 'class' | 'hint'> {
  if (status === 429) return { class: 'infra', hint: 'It wants fewer messages.' }
  if (status === 408 || status >= 500) return { class: 'infra', hint: 'The receiver has trouble of its own.' }
  if (status === 401 || status === 403)
    return { class: 'permission', hint: 'It does not accept who we are: make a new token or address.' }
  if (status < 400)
    return {
      class: 'user',
      hint: 'It sends us on to another address, which is not followed: name the final one.',
    }
  return { class: 'user', hint: 'Is the address the right one, and still in use?' }
}

/** https://www.rfc-editor.org/rfc/rfc9110#field.retry-after: seconds, or a date. */
function retryAfterMs(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

/** The address of a webhook is a secret as a whole and piece by piece. */
function maskOf({ address, secrets = [] }: Letter): Mask {
  const { href, pathname, search, username, password } = address
  const pieces = pathname.split('/').filter((piece) => piece.length >= 8)
  const parameters = [...address.searchParams.values()]
  return createMask(
    [href, `${pathname}${search}`, ...pieces, ...parameters, username, password, ...secrets].filter(
      (secret) => secret.length > 3,
    ),
  )
}
