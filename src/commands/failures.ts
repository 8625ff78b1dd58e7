import type { ErrorFacts } from '#src/events.ts'
import { printable, printableLines } from '#src/ui/printable.ts'
import { spelled } from './spelling.ts'

/** Clouds that did not answer, each with why and what to do; nothing when all did. What they hold is not known. */
export function couldNotLookInto(failures: readonly { cloud: string; error: ErrorFacts }[]): string {
  if (failures.length === 0) return ''
  const names = [...new Set(failures.map(({ cloud }) => cloud))].join(', ')
  return `Could not look into: ${names}. What is there of ours is not known.\n${failuresText(failures)}`
}

/** What failed at each place, in whole lines. One cause often fails several looks, so its hint is given once. */
export function failuresText(failures: readonly { cloud: string; error: ErrorFacts }[]): string {
  const lines = failures.map(
    ({ cloud, error }) =>
      `  ${printable(cloud)}: ${printableLines(error.message).join('\n    ')} [${error.code}]\n`,
  )
  const hints = new Set(failures.flatMap(({ error }) => error.hint ?? []))
  return [...lines, ...[...hints].map((hint) => `  → ${spelled(hint).replaceAll('\n', '\n    ')}\n`)].join('')
}
