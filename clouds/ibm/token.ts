import { z } from 'zod'
import { type IbmFailureFacts, ibmFailure, unreadableAnswer } from './failures.ts'
import { sendOnce } from './send.ts'

/** A token of IAM: https://cloud.ibm.com/apidocs/iam-identity-token-api */
const tokenAnswer = z.object({ access_token: z.string().min(1), expires_in: z.number() })

/** Tokens live an hour; the last minutes of one are left to calls that are on their way. */
const leftOverMs = 5 * 60_000

export interface Tokens {
  /** A token that is good for some minutes at least. */
  current(signal: AbortSignal): Promise<string>
  /** IBM Cloud has refused this one: the next is asked for anew. */
  refused(token: string): void
}

/** Turns an API key into tokens; of several callers that need one at once, one asks. */
export function openTokens(
  iam: string,
  readKey: () => Promise<string>,
  now: () => number = Date.now,
): Tokens {
  let known: { token: string; untilMs: number } | undefined
  let asked: Promise<string> | undefined

  async function ask(): Promise<string> {
    const form = new URLSearchParams({
      grant_type: 'urn:ibm:params:oauth:grant-type:apikey',
      apikey: await readKey(),
    })
    const { access_token: token, expires_in: seconds } = await askPatiently(`${iam}/identity/token`, form)
    known = { token, untilMs: now() + seconds * 1000 - leftOverMs }
    return known.token
  }

  return {
    async current(signal) {
      if (known && now() < known.untilMs) return known.token
      asked ??= ask().finally(() => (asked = undefined))
      return await untilAborted(asked, signal)
    },
    refused(token) {
      if (known?.token === token) known = undefined
    },
  }
}

const mostTries = 4

/** By its own deadline and not by a caller's: others wait for the same answer. */
async function askPatiently(url: string, form: URLSearchParams): Promise<z.infer<typeof tokenAnswer>> {
  const what: IbmFailureFacts = { what: 'asking for a token', region: 'IAM' }
  for (let tries = 1; ; tries += 1) {
    try {
      const answer = await sendOnce({ method: 'POST', url, body: form }, AbortSignal.timeout(15_000))
      if (answer.status !== 200) throw ibmFailure({ ...what, answer })
      const found = tokenAnswer.safeParse(answer.json)
      if (found.success) return found.data
      throw unreadableAnswer(what.what, what.region, found.error)
    } catch (error) {
      const failure = ibmFailure({ ...what, error })
      if (failure.class !== 'infra' || tries === mostTries) throw failure
      await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** tries * (0.5 + Math.random())))
    }
  }
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const stopped = Promise.withResolvers<never>()
  const stop = () => stopped.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([promise, stopped.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
