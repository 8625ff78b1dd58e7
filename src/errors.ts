/** The class of a failure decides what the engine does: stop, retry here, retry elsewhere, grow the disk. */
export const failureClasses = [
  'user',
  'infra',
  'capacity',
  'quota',
  'permission',
  'disk-full',
  'timeout',
  'bug',
  'interrupted',
] as const
export type FailureClass = (typeof failureClasses)[number]

export interface FactoryErrorFacts {
  /** Kebab-case; every code has a row in docs/errors.md. */
  code: string
  /** What failed and where. */
  message: string
  /** The next thing to type or to look at. */
  hint?: string
  class: FailureClass
  cause?: unknown
  /** Facts for machines; never secrets. */
  context?: Record<string, unknown>
}

/** The one error class: every failure that reaches a person carries a code, the next step and its cause. */
export class FactoryError extends Error {
  override readonly name = 'FactoryError'
  readonly code: string
  readonly hint: string | undefined
  readonly class: FailureClass
  readonly context: Record<string, unknown>

  constructor(facts: FactoryErrorFacts) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.code = facts.code
    this.hint = facts.hint
    this.class = facts.class
    this.context = facts.context ?? {}
  }

  /** Whether the same thing may succeed when it is tried again without anybody changing anything. */
  get retryable(): boolean {
    return this.class === 'infra' || this.class === 'timeout' || this.class === 'capacity'
  }
}

/** Gives foreign errors a code, so that everything above speaks of one kind of error; keeps the cause. */
export function asFactoryError(error: unknown): FactoryError {
  if (error instanceof FactoryError) return error
  if (isDeadline(error)) {
    return new FactoryError({
      code: 'deadline-passed',
      message: 'it did not finish within the time that it has',
      hint: 'Something does not answer: look at the network and at the addresses in the configuration (factory doctor).',
      class: 'timeout',
      cause: error,
    })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new FactoryError({
    code: 'unexpected',
    message: `unexpected failure: ${message}`,
    hint: 'This is a defect of the factory: please report it with the log of the release (factory logs).',
    class: 'bug',
    cause: error,
  })
}

/** What `AbortSignal.timeout` aborts with. */
function isDeadline(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError'
}
