import { FactoryError } from '#src/errors.ts'

/**
 * Makes one POSIX shell command of an argv, every word in single quotes, so that the far shell sees exactly these words.
 * SSH has no argv: a server hands one string to the user's shell, and this is the only place where such strings are made.
 */
export function quoteCommand(argv: readonly string[]): string {
  return argv.map(quoteWord).join(' ')
}

/** One word in single quotes; a NUL byte cannot travel in a command and is refused. */
export function quoteWord(word: string): string {
  if (word.includes('\0')) {
    throw new FactoryError({
      code: 'command-word-impossible',
      message: `a NUL byte stands in a word of a command: ${JSON.stringify(word.slice(0, 80))}`,
      class: 'bug',
    })
  }
  return `'${word.replaceAll("'", `'\\''`)}'`
}
