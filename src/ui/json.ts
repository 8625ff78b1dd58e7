import type { Output, Screen } from './listener.ts'

/** Characters that JSON lets through and that a terminal obeys or shows in another order. */
const risky = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** One event a line, for programs (NDJSON); nothing that a builder says reaches a terminal unescaped. */
export function jsonScreen(output: Output): Screen {
  return {
    listen: (event) => void output.write(`${escaped(JSON.stringify(event))}\n`),
    close: async () => {},
  }
}

function escaped(json: string): string {
  return json.replace(risky, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
