import { FactoryError } from '#src/errors.ts'

/** What `prolong` of every adapter throws when nothing of the lease is there. */
export function leaseGone(leaseId: string, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'lease-gone',
    message: `the machine of the lease ${leaseId} is not there any more, so its lease cannot be prolonged`,
    hint: 'Run factory release again: it rents another one.',
    class: 'infra',
    cause,
  })
}
