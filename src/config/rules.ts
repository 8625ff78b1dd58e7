import type { z } from 'zod'

type RawIssue = z.core.$ZodRawIssue

/** Stands for the message of an issue that the schema has said nothing of and that is put into words later. */
export const unsaid = ''

/** What a value must be, as the end of a sentence that begins with the value; for rules that have no words of their own. */
export function ruleInWords(issue: RawIssue): string {
  switch (issue.code) {
    case 'too_small':
      return issue.origin === 'string' && issue.minimum === 1
        ? 'is empty'
        : within(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)
    case 'too_big':
      return within(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)
    case 'invalid_format':
      return 'is not written as it must be'
    default:
      return unsaid
  }
}

function within(origin: string, bound: string, limit: number | bigint): string {
  const thing = { string: 'character', array: 'entry' }[origin]
  if (thing === undefined) return `must be ${bound} ${limit}`
  const things = thing === 'entry' ? 'entries' : 'characters'
  return `must have ${bound} ${limit} ${limit === 1 ? thing : things}`
}
