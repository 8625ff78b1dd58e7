import type { NotifyConfiguration } from '#src/config/types.ts'

export type Occasion = NotifyConfiguration['on'][number]

/** Something that people are told. Its texts may hold what a builder said; none holds a secret. */
export interface Notice {
  /** The same however often the same thing is noticed, before and after a restart, so that a second message is known as one. */
  id: string
  occasion: Occasion
  /** Milliseconds since 1970. */
  at: number
  release?: string
  /** One line. */
  title: string
  text: string
  /** The next thing to type. */
  hint?: string
  /** For machines. */
  facts: Readonly<Record<string, unknown>>
}

/** A notice as it is sent: tidy, with the address of the page where there is one. */
export interface Message extends Notice {
  page?: string
}

export interface Sending {
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  now(): number
}

/** One of those who are told. */
export interface Receiver {
  /**
   * Tries once. Throws a `FactoryError` whose class says whether another try is worth it; `retryAfterMs` (milliseconds)
   * in its context is how long the receiver wants to be left alone.
   */
  send(message: Message, sending: Sending): Promise<void>
}
