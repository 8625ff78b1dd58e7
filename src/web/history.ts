import type { FactoryEvent } from '#src/events.ts'
import type { EventHistory, NumberedEvent } from './types.ts'

/** Of each image that is served, so that a hundred of them together stay small. */
const keptEvents = 1_000

/**
 * Numbers the events of this process and keeps the newest. The numbers begin where the clock stands, so that those of
 * a process before this one are lower, and a reader that comes back after a restart is seen to have missed something.
 */
export function eventHistory(startedAt = Date.now()): EventHistory {
  const kept: NumberedEvent[] = []
  const listeners = new Set<(event: NumberedEvent) => void>()
  let next = startedAt * 1000
  return {
    tell(event: FactoryEvent) {
      const numbered = { id: next, event }
      next += 1
      kept.push(numbered)
      if (kept.length > keptEvents * 1.25) kept.splice(0, kept.length - keptEvents)
      for (const listener of listeners) listener(numbered)
    },
    since(id) {
      return kept.slice(Math.max(0, id - (next - kept.length) + 1))
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** The number of the newest event; 0 before the first. */
export function lastEventId(events: EventHistory): number {
  return events.since(0).at(-1)?.id ?? 0
}
