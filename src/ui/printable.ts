import { stripVTControlCharacters } from 'node:util'

/** Control characters, and the marks that make a terminal show text in another order than it was written. */
const unprintable = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

/** A text as one line that no terminal interprets: what a builder says may hold escape sequences. */
export function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\n\t]+/g, ' ')
    .replace(unprintable, '')
    .trimEnd()
}

/** The lines of a text, each printable; empty ones are left out. */
export function printableLines(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map(printable)
    .filter((line) => line !== '')
}
