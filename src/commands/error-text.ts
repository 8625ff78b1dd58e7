import type { FactoryError } from '#src/errors.ts'
import { spelled } from './spelling.ts'

/** A failure as a person reads it: what and where, then the next thing to type. */
export function errorText(error: FactoryError): string {
  const hint = error.hint === undefined ? '' : `  ${spelled(error.hint).replaceAll('\n', '\n  ')}\n`
  const trace = process.env['FACTORY_DEBUG'] === undefined ? '' : `${traceOf(error)}\n`
  return `error: ${spelled(error.message)} [${error.code}]\n${hint}${trace}`
}

function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const cause = error.cause === undefined ? '' : `\ncaused by ${traceOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
