import type { ChoiceName } from '#src/events.ts'
import type { Choosing, Serving } from './types.ts'

/** The same choices, each told on the stream of events when it was made: every page that is open then looks anew. */
export function toldChoices({ choose, events, now }: Serving): Choosing {
  const told = async <Result>(choice: ChoiceName, made: Promise<Result>): Promise<Result> => {
    const result = await made
    events.tell({ type: 'chosen', at: now(), choice })
    return result
  }
  return {
    press: (wish) => told('press', choose.press(wish)),
    promote: (release, choice) => told('promote', choose.promote(release, choice)),
    ignore: (release, choice) => told('ignore', choose.ignore(release, choice)),
    pin: (release, choice) => told('pin', choose.pin(release, choice)),
    rollback: (choice) => told('rollback', choose.rollback(choice)),
    resumeRule: (rule, by) => told('resume', choose.resumeRule(rule, by)),
    collectGarbage: (limit) => told('gc', choose.collectGarbage(limit)),
  }
}
