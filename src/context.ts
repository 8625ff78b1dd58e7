/** Progress of one long thing, told by whoever does it; the engine binds it to release, architecture and step. */
export interface Progress {
  message: string
  /** Units done and to do: stages of a tool, or bytes when `unit` says so. */
  done?: number
  total?: number
  unit?: 'bytes' | 'steps'
}

/** What every long call is given: a way to be stopped, to tell, and to wait; tests give their own clock. */
export interface Context {
  readonly signal: AbortSignal
  emit(progress: Progress): void
  /** One line of a tool's output, already without its line end. */
  log(line: string): void
  /** Milliseconds since the epoch. */
  now(): number
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when stopped. */
  sleep(ms: number): Promise<void>
}
