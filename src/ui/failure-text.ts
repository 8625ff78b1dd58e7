import type { ErrorFacts } from '#src/events.ts'
import type { Paint } from './color.ts'
import { printable, printableLines } from './printable.ts'

/** A failure as whole lines: what and where with its code, the tool's last words, then what to do. */
export function failureLines(where: string, error: ErrorFacts, paint: Paint): string[] {
  const [first = '', ...rest] = printableLines(error.message)
  const hint = error.hint === undefined ? [] : printableLines(error.hint).map((line) => `  → ${line}`)
  return [
    `${paint('red', `${where}: ${first.replace(/:$/, '')}`)} [${printable(error.code)}]`,
    ...rest.map((line) => `  ${line}`),
    ...hint,
  ]
}
