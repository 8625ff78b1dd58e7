import type { z } from 'zod'
import type { Context } from '#src/context.ts'
import { printable } from '#src/builder/text.ts'
import { FactoryError } from '#src/errors.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import { type Refusal, notReachable, unreadableAnswer } from './failures.ts'

/** One request on the wire. */
export interface Exchange {
  /** For messages: `looking at servers`. */
  what: string
  method: string
  url: string
  headers: Record<string, string>
  body?: string | ReadableStream<Uint8Array>
  limitMs: number
}

/** Its whole answer, whatever the status. */
export interface Received {
  status: number
  headers: Headers
  text: string
  /** The answer as a refusal. */
  refusal(): Refusal
}

/** No listing is longer; what is cannot be one. */
const mostAnswerCharacters = 64 * 1024 ** 2

/**
 * Sends one request and reads its answer to the end. Throws when none came in time: then nobody knows what was done. A
 * redirection is never followed, for the token goes with it.
 */
export async function exchange(request: Exchange, ctx: Pick<Context, 'signal'>): Promise<Received> {
  const { what, method, url, headers, body, limitMs } = request
  assertSafe(what, url)
  try {
    return await withTimeLimit(`${what} (${new URL(url).host})`, limitMs, ctx.signal, async (signal) => {
      const answer = await fetch(url, {
        method,
        headers: { accept: 'application/json', ...headers },
        redirect: 'manual',
        signal,
        ...(body === undefined ? {} : { body }),
        ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
      } as RequestInit)
      const text = await answer.text()
      if (text.length > mostAnswerCharacters) throw new Error('the answer is too long')
      return {
        status: answer.status,
        headers: answer.headers,
        text,
        refusal: () => refusalIn(answer.status, text, answer.headers.get('location')),
      }
    })
  } catch (error) {
    ctx.signal.throwIfAborted()
    if (error instanceof FactoryError) throw error
    throw notReachable(what, new URL(url).host, error)
  }
}

/** The answer as JSON of a shape; what is not is from something else than the service. */
export function readJson<T extends z.ZodType>(
  { text, status }: Pick<Received, 'text' | 'status'>,
  shape: T,
  what: string,
  region: string,
): z.infer<T> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw unreadableAnswer(what, region, `status ${status} without JSON`, error)
  }
  const read = shape.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw unreadableAnswer(what, region, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`)
}

/** Every service has its own way to say no: `{"forbidden": {"message": …}}`, `{"NeutronError": {"type": …}}`, HTML. */
function refusalIn(status: number, text: string, location: string | null): Refusal {
  if (location !== null) return { status, message: `it points to ${location} instead of answering`, type: '' }
  try {
    const said = words(JSON.parse(text))
    return { status, message: told(said.message), type: said.type }
  } catch {
    const plain = text.replaceAll(/<(style|script|title)[^]*?<\/\1>|<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')
    return { status, message: told(plain), type: '' }
  }
}

/** Services quote what they refuse, user-data with a host key among it: what is so long without a space is no word. */
function told(message: string): string {
  return printable(message.replaceAll(/[\w+/=-]{200,}/g, '…'))
    .trim()
    .slice(0, 1000)
}

function words(value: unknown): { message: string; type: string } {
  if (typeof value === 'string') return { message: value, type: '' }
  const objects = [value, ...Object.values((value ?? {}) as object)]
  for (const each of objects) {
    const { message, type, faultstring } = (each ?? {}) as Record<string, unknown>
    const said = typeof message === 'string' ? message : faultstring
    if (typeof said === 'string') return { message: said, type: typeof type === 'string' ? type : '' }
  }
  return { message: JSON.stringify(value).slice(0, 300), type: '' }
}

/** A password or a token goes with every request. */
function assertSafe(what: string, url: string): void {
  const { protocol, hostname, host } = new URL(url)
  if (protocol === 'https:' || ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return
  throw new FactoryError({
    code: 'openstack-insecure',
    message: `${what} would send credentials to ${host} without encryption`,
    hint: 'Write auth_url with https:// in clouds.yaml; is it the catalogue that says http://, try another `interface` in the configuration, or ask who runs the cloud.',
    class: 'user',
  })
}
