import { type FactoryError, asFactoryError } from '#src/errors.ts'
import type { Output } from '#src/ui/listener.ts'
import { callOn, spelled } from './spelling.ts'

/**
 * Tells a failure, on stderr unless somebody else takes it, and returns the exit code that goes with it. `config` is the
 * file that it is about, where that is not the one of `-c`.
 */
export function tellFailure(caught: unknown, output: Output = process.stderr, config?: string): number {
  const failure = asFactoryError(caught)
  output.write(errorText(failure, config))
  if (failure.class === 'interrupted') return 130
  return failure.class === 'user' ? 2 : 1
}

/** A failure as a person reads it: what and where, then the next thing to type. */
export function errorText(error: FactoryError, config?: string): string {
  const call = callOn(config)
  const hint = error.hint === undefined ? '' : `  ${spelled(error.hint, call).replaceAll('\n', '\n  ')}\n`
  const trace = process.env['FACTORY_DEBUG'] === undefined ? '' : `${traceOf(error)}\n`
  return `error: ${spelled(error.message, call)} [${error.code}]\n${hint}${trace}`
}

function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const cause = error.cause === undefined ? '' : `\ncaused by ${traceOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
