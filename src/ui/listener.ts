import type { Listener } from '#src/events.ts'

/** Whoever shows a release to people or programs: takes events, and is closed when no more will come. */
export interface Screen {
  readonly listen: Listener
  /** Shows what is still to be shown and gives the terminal back; safe to call twice. */
  close(): Promise<void>
}

/** The part of a writable stream that a screen needs. */
export interface Output {
  write(text: string): unknown
  isTTY?: boolean
}
