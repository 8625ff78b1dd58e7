import type { FactoryError } from '#src/errors.ts'

/** A failure as a person reads it: what and where, then the next thing to type. */
export function errorText(error: FactoryError): string {
  const hint = error.hint === undefined ? '' : `  ${error.hint.replaceAll('\n', '\n  ')}\n`
  const trace = process.env['FACTORY_DEBUG'] === undefined ? '' : `${traceOf(error)}\n`
  return `error: ${error.message} [${error.code}]\n${hint}${trace}`
}

function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const cause = error.cause === undefined ? '' : `\ncaused by ${traceOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
