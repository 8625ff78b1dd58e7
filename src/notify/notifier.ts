import type { NotifyConfiguration } from '#src/config/types.ts'
import { email } from './email.ts'
import { type LineSurroundings, openLine } from './line.ts'
import { matrix } from './matrix.ts'
import { type Patience, usualPatience } from './patience.ts'
import { slack } from './slack.ts'
import { tidy } from './tidy.ts'
import type { Message, Notice, Receiver } from './types.ts'
import { webhook } from './webhook.ts'

/** Tells people. Nothing of it ever stops a release: what fails is told by `log`. */
export interface Notifier {
  /** Returns at once; the notice goes to everybody who wants to hear of its occasion, once a notice. */
  tell(notice: Notice): void
  /** Resolves when nothing waits any more; what was given up is over, too. */
  settled(): Promise<void>
}

export interface Surroundings extends LineSurroundings {
  /** Where the page is, for people to look. */
  pageUrl?: string | undefined
  /** Stands before every title, for who hears of several factories. */
  name?: string | undefined
  patience?: Patience
}

/** Opens a line to everybody under `notify:`; until somebody is told nothing is read, and nobody is called. */
export function createNotifier(
  configured: readonly NotifyConfiguration[],
  { pageUrl, name, patience = usualPatience, ...surroundings }: Surroundings,
): Notifier {
  const lines = configured.map((configuration, index) => ({
    on: configuration.on,
    line: openLine(
      `notify[${index}] (${configuration.kind})`,
      receiverOf(configuration),
      patience,
      surroundings,
    ),
  }))
  return {
    tell(notice) {
      const message: Message = tidy(
        name === undefined ? notice : { ...notice, title: `[${name}] ${notice.title}` },
      )
      if (pageUrl !== undefined) message.page = pageUrl
      for (const { on, line } of lines) if (on.includes(notice.occasion)) line.take(message)
    },
    async settled() {
      await Promise.all(lines.map(({ line }) => line.settled()))
    },
  }
}

function receiverOf(configuration: NotifyConfiguration): Receiver {
  switch (configuration.kind) {
    case 'webhook':
      return webhook(configuration)
    case 'slack':
      return slack(configuration)
    case 'matrix':
      return matrix(configuration)
    case 'email':
      return email(configuration)
  }
}
