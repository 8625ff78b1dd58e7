import { FactoryError } from '#src/errors.ts'

/** What an answer must have; something that stands before AWS can answer with anything, and the SDK reads past it. */
export function answered<T>(value: T | undefined, what: string, region: string): T {
  if (value !== undefined) return value
  throw new FactoryError({
    code: 'aws-answer-unreadable',
    message: `${what} in ${region} was answered with nothing that AWS would say`,
    hint: 'Run the same command again: it looks first what has come of it. Is `endpoint` in the configuration right, and what stands before it?',
    class: 'infra',
  })
}
