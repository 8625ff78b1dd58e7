import { printable, printableLines } from '#src/ui/printable.ts'
import type { Message, Notice } from './types.ts'

const mostOfTitle = 200
const mostOfText = 3000
const mostOfHint = 1000

/**
 * A notice as it may be shown anywhere: no control characters, nothing that reorders text, a title of one line, and short
 * enough for every receiver. Facts stay as they are: JSON writes out whatever is in them.
 */
export function tidy({ hint, ...notice }: Notice): Notice {
  return {
    ...notice,
    title: cut(oneLine(notice.title), mostOfTitle),
    text: cut(lines(notice.text), mostOfText),
    ...(hint === undefined ? {} : { hint: cut(lines(hint), mostOfHint) }),
  }
}

/** What follows the title, for people who read plain text. */
export function plainText({ text, hint, page }: Message): string {
  return [text, hint === undefined ? '' : `→ ${hint}`, page ?? ''].filter((part) => part !== '').join('\n\n')
}

/** One line for whoever reads it: a header, a log. */
export function oneLine(text: string): string {
  return printable(text.toWellFormed())
}

function lines(text: string): string {
  return printableLines(text.toWellFormed()).join('\n')
}

/** Counts code points, so that no character is cut apart. */
function cut(text: string, most: number): string {
  const points = [...text]
  return points.length <= most ? text : `${points.slice(0, most - 1).join('')}…`
}
