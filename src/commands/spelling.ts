import { basename } from 'node:path'
import { quoteWord } from '#src/builder/quote.ts'
import type { FactoryEvent } from '#src/events.ts'
import type { Screen } from '#src/ui/listener.ts'

/** How this process was called, as far as somebody who calls it again has to repeat it. */
export interface Call {
  /** `argv[1]`: the file that was started. */
  program: string | undefined
  environment: NodeJS.ProcessEnv
  /** What `-c` named. */
  config: string | undefined
  /** The commands that there are. */
  commands: readonly string[]
}

let present: Call | undefined

/** From here on texts for people spell the program as this call did. */
export function rememberCall(call: Call): void {
  present = call
}

/** The same call on another configuration: one that serves several images has more than its own `-c`. */
export function callOn(config: string | undefined): Call | undefined {
  return present && { ...present, config: config ?? present.config }
}

/**
 * A text in which every whole command (`factory release`) is written so that it can be pasted where this process was
 * called: through npx if need be, and with its `-c FILE`. Everything else, prose about the factory included, stays.
 */
export function spelled(text: string, call: Call | undefined = present): string {
  if (call === undefined || call.commands.length === 0) return text
  const command = new RegExp(
    `(?<![\\w./-])(?:npx )?factory (?=(?:${call.commands.join('|')})(?![\\w-]))`,
    'g',
  )
  const config = call.config === undefined ? [] : ['-c', shellWord(call.config)]
  const words = [programName(call), ...config, ''].join(' ')
  // A function, because a file's name may hold what `replace` takes for a pattern.
  return text.replace(command, () => words)
}

/** The program's own words: only who has `factory` on the path, and called it so, can leave npx out. */
export function programName({ program, environment }: Pick<Call, 'program' | 'environment'>): string {
  const throughNpm = environment['npm_command'] !== undefined
  return !throughNpm && basename(program ?? '') === 'factory' ? 'factory' : 'npx factory'
}

/** One word for a shell, quoted only where it must be, so that commands stay readable. */
export function shellWord(word: string): string {
  return /^[\w@%+:,./-]+$/.test(word) ? word : quoteWord(word)
}

/** A screen for people: hints of events are spelled before they reach it. */
export function spelledScreen(screen: Screen): Screen {
  return { ...screen, listen: (event) => screen.listen(spelledEvent(event)) }
}

function spelledEvent(event: FactoryEvent): FactoryEvent {
  if (event.type === 'warning' && event.hint !== undefined) return { ...event, hint: spelled(event.hint) }
  if (event.type !== 'step-failed' || event.error.hint === undefined) return event
  return { ...event, error: { ...event.error, hint: spelled(event.error.hint) } }
}
