import { type HttpReceiver, type Reply, startHttpReceiver } from './http-receiver.ts'

export interface SlackDouble extends AsyncDisposable {
  /** The address of the one webhook that there is: a secret. */
  readonly webhook: string
  /** What stands in the channel: the text, and whom Slack or Mattermost would have called. */
  readonly channel: readonly { text: string; called: readonly string[] }[]
  readonly requests: HttpReceiver['requests']
  /** The next requests meet these first; `lost` is taken into the channel, and its answer does not arrive. */
  readonly faults: (Reply | 'lost' | 'silent')[]
}

const path = '/services/T0123456789/B0123456789/XyZZySecretOfTheWebhook0'
const knownKeys = ['text', 'unfurl_links', 'unfurl_media', 'blocks', 'attachments', 'mrkdwn', 'thread_ts']

/**
 * A strict stand-in for Slack's incoming webhooks, which it has never met: one address, JSON only, no unknown key.
 * https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/
 */
export async function startSlackDouble(): Promise<SlackDouble> {
  const channel: { text: string; called: string[] }[] = []
  const faults: (Reply | 'lost' | 'silent')[] = []
  const server = await startHttpReceiver((request) => {
    const fault = faults.shift()
    if (fault !== undefined && fault !== 'lost') return fault
    if (request.path !== path) return { status: 404, body: 'no_service' }
    if (request.method !== 'POST') return { status: 405, body: 'method_not_allowed' }
    const text = textOf(request.headers['content-type'], request.body)
    if (text === undefined) return { status: 400, body: 'invalid_payload' }
    if (text === '') return { status: 400, body: 'no_text' }
    channel.push({ text, called: calledBy(text) })
    return fault ?? { status: 200, body: 'ok' }
  })
  return {
    webhook: `${server.origin}${path}`,
    channel,
    requests: server.requests,
    faults,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

function textOf(type: string | undefined, body: string): string | undefined {
  if (type !== 'application/json') return undefined
  try {
    const payload = JSON.parse(body) as Record<string, unknown>
    if (Object.keys(payload).some((key) => !knownKeys.includes(key))) return undefined
    return typeof payload['text'] === 'string' ? payload['text'] : undefined
  } catch {
    return undefined
  }
}

/** Slack's <!channel>, <@U…> and links with a text of their own; Mattermost's @names and links outside of code. */
function calledBy(text: string): string[] {
  const prose = text.replaceAll(/```.*?```/gs, '')
  return [...(text.match(/<[^>]*>/g) ?? []), ...(prose.match(/@\w+|\]\(/g) ?? [])]
}
