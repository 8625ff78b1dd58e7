import type { NotifyConfiguration } from '#src/config/types.ts'
import { deliver } from './http.ts'
import { readAddress } from './secret-file.ts'
import { plainText } from './tidy.ts'
import type { Message, Receiver } from './types.ts'

type Slack = Extract<NotifyConfiguration, { kind: 'slack' }>

/** Posts to an incoming webhook of Slack, or of what takes the same: Mattermost, Rocket.Chat, Zulip, Discord (`/slack`). */
export function slack({ urlFile }: Slack): Receiver {
  return {
    async send(message, sending) {
      const address = await readAddress(urlFile)
      const body = JSON.stringify({ text: slackText(message), unfurl_links: false, unfurl_media: false })
      await deliver({ method: 'POST', address, body, explain: explainSlack }, sending)
    },
  }
}

/** What builders said stands in a code block, where no service reads markup, and cannot leave it. */
function slackText({ page, title, ...message }: Message): string {
  const details = plainText({ title, ...message })
  const block = details === '' ? [] : ['```', withoutFence(details), '```']
  return [withoutFence(title), ...block, ...(page === undefined ? [] : [page])].map(inert).join('\n')
}

function withoutFence(text: string): string {
  return text.replaceAll('`', "'")
}

/**
 * Slack takes mentions and links only between < and >; Mattermost reads every @name, and links of Markdown. A word joiner
 * has no width and is no part of a name. https://docs.slack.dev/messaging/formatting-message-text/#escaping
 */
function inert(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('@', '@\u2060')
    .replaceAll('](', ']\u2060(')
}

/** https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/#handling_errors */
function explainSlack(status: number, text: string): { hint: string } | undefined {
  if (/^(no_service|no_team|invalid_token|no_active_hooks|user_not_found)/.test(text) || status === 410)
    return {
      hint: 'The webhook is gone or was switched off: make a new one and write its address into the file.',
    }
  if (/^channel_|^posting_to_general|^action_prohibited/.test(text))
    return { hint: 'The channel does not take it: make a webhook for another one.' }
  return undefined
}
