import type { Finding } from '#clouds/types.ts'
import type { Configuration } from '#src/config/types.ts'
import type { FactoryEvent, Listener } from '#src/events.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import type { Choice } from '#src/release/choose.ts'
import type { Garbage } from '#src/release/collect-garbage.ts'
import type { CloudAbilities } from '#src/release/destinations.ts'
import type { ListedImage } from '#src/release/images.ts'
import type { RuleName, Wish } from '#src/trigger/types.ts'

/** What the page and the API stand on; `factory serve` hands in the real one, tests a scripted one. */
export interface Serving {
  readonly configuration: Configuration
  now(): number
  /** Everything derived from the journal. Shared and live: look, do not keep. */
  state(): FactoryState
  images(): ListedImage[]
  /** Lend the prices of images; nothing is asked of them. */
  clouds: CloudAbilities
  rules(): RuleView[]
  /** What `doctor` found last, and when (milliseconds since 1970). */
  findings(): { at: number; found: readonly Finding[] } | undefined
  events: EventHistory
  /** The last lines of a release's log of one architecture, escaped by whoever shows them. */
  logTail(release: string, arch: string, lines: number): Promise<readonly string[]>
  /** CoreOS stream metadata of the release that a channel points to; undefined where it points to none. */
  stream(channel: 'candidate' | 'promoted' | 'previous'): Promise<object | undefined>
  /** Whether the process can make a release now: for `/readyz`; the reason where it cannot. */
  ready(): true | string
  choose: Choosing
  /** A webhook said that something may have changed: what is watched is looked at now. */
  lookNow(rule: RuleName): void
}

/** Everything that changes something. Each throws a `FactoryError` that says why not. */
export interface Choosing {
  /** Asks for a release; returns the tick that stands for it in the journal. */
  press(wish: Wish): Promise<{ tick: string }>
  promote(release: string, choice: Choice): Promise<void>
  ignore(release: string, choice: Choice): Promise<void>
  pin(release: string, choice: Choice & { pinned: boolean }): Promise<void>
  rollback(choice: Choice): Promise<{ release: string }>
  resumeRule(rule: RuleName, by: string): Promise<void>
  /** Removes what `retention` does not keep, at most `limit` things; `factory-busy` while a release is being made. */
  collectGarbage(limit: number): Promise<Garbage>
}

export interface RuleView {
  name: RuleName
  meaning: string
  /** Milliseconds since 1970. */
  nextAt?: number
  paused?: { why: string; at: number }
  /** Why its last look failed, and since when they do; it looks again by itself. */
  trouble?: { message: string; since: number }
  last?: { tick: string; why: string; at: number; outcome?: string; release?: string; message?: string }
}

/** An event with its place in the order, from which a reader goes on after it was cut off. */
export interface NumberedEvent {
  /** One more than that of the event before. */
  id: number
  event: FactoryEvent
}

/** The events of this process, the newest thousand of them kept. */
export interface EventHistory {
  tell: Listener
  /** Those after an id, as far as they are kept. */
  since(id: number): readonly NumberedEvent[]
  /** Returns how to stop. */
  subscribe(listener: (event: NumberedEvent) => void): () => void
}
