import type { FactoryEvent, StepPlace } from '#src/events.ts'
import { placeKey, progressTeller } from '#src/ui/progress-text.ts'
import type { EventHistory } from '../types.ts'
import { line } from './markup.ts'

/** What a running step told last. */
export interface News {
  at: number
  text: string
  /** Between 0 and 1, where it is known how much there is to do. */
  fraction?: number
}

export interface Warning {
  at: number
  message: string
  hint?: string
  arch?: string
}

/** What the journal does not hold of a release that is being made: how far its steps are. */
export interface Live {
  /** Of a step that began at `since`; what an earlier attempt told is not its news. */
  news(place: StepPlace, since: number): News | undefined
  /** Since the release was started or gone on with last. */
  warnings(release: string): readonly Warning[]
}

const keptWarnings = 20

/** Follows the events of this process; those that have come since are read whenever it is looked at. */
export function followEvents(events: EventHistory): () => Live {
  const tell = progressTeller()
  const news = new Map<string, News>()
  let warnings: Warning[] = []
  let release: string | undefined
  let seen = 0

  const take = (event: FactoryEvent) => {
    if (event.type === 'release-started') {
      release = event.release
      warnings = []
      news.clear()
    } else if (event.type === 'step-progress') {
      news.set(placeKey(event), { at: event.at, text: tell(event), ...fractionOf(event.progress) })
    } else if (event.type === 'step-failed' && event.willRetry) {
      const text = `failed, and is tried again: ${line(event.error.message)}`
      news.set(placeKey(event), { at: event.at, text })
    } else if (event.type === 'warning') {
      const { at, message, hint, arch } = event
      const known = { at, message, ...(hint === undefined ? {} : { hint }), ...(arch ? { arch } : {}) }
      warnings = [...warnings, known].slice(-keptWarnings)
    }
  }

  return () => {
    for (const { id, event } of events.since(seen)) {
      seen = id
      take(event)
    }
    return {
      news(place, since) {
        const told = news.get(placeKey(place))
        return told && told.at >= since ? told : undefined
      },
      warnings: (of) => (of === release ? warnings : []),
    }
  }
}

function fractionOf({ done, total }: { done?: number; total?: number }): { fraction?: number } {
  if (done === undefined || total === undefined || total <= 0) return {}
  return { fraction: Math.min(1, Math.max(0, done / total)) }
}
