/** One HTTP request, ready to be sent. */
export interface RawRequest {
  readonly method: string
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | URLSearchParams
}

/** An answer that was read to its end. */
export interface RawAnswer {
  readonly status: number
  /** Undefined where the body is none. */
  readonly json: unknown
  /** The first of the body, for messages. */
  readonly text: string
  /** Milliseconds that the service asks us to wait. */
  readonly retryAfterMs?: number
}

/** Sends a request once. Redirects are not followed: they would take the token to somebody else. */
export async function sendOnce(
  { method, url, headers, body }: RawRequest,
  signal: AbortSignal,
): Promise<RawAnswer> {
  const answer = await fetch(url, {
    method,
    redirect: 'manual',
    headers: { accept: 'application/json', ...headers },
    signal,
    ...(body === undefined ? {} : { body }),
  })
  const text = await answer.text()
  const retryAfter = Number(answer.headers.get('retry-after') ?? '')
  return {
    status: answer.status,
    json: parsed(text),
    text: text.slice(0, 2000),
    ...(retryAfter > 0 ? { retryAfterMs: retryAfter * 1000 } : {}),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
