import { stripVTControlCharacters } from 'node:util'

/** Control characters, and the characters that reorder or break lines where they are shown. */
// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g

/** Makes text from a builder safe to show: no escape sequences, no control characters, tabs as spaces, one line. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replaceAll('\t', '  ').replace(unprintable, '')
}

/** The last lines of a tool's output for a message: printable, at most `maxLength` characters. */
export function lastWords(text: string, maxLength = 600): string {
  const lines = text
    .slice(-8 * maxLength)
    .split('\n')
    .map(printable)
    .filter((line) => line.trim() !== '')
  const kept = lines.slice(-6).join('; ')
  return kept.length > maxLength ? `…${kept.slice(-maxLength)}` : kept
}
