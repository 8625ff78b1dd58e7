import type { Call } from './call.ts'
import { Refusal } from './refusal.ts'

/** Where an operation has checked everything and would begin: a dry run ends here. */
export function endOfDryRun(call: Call): void {
  if (isDryRun(call)) throw dryRunSucceeded()
}

export function isDryRun({ service, parameters }: Call): boolean {
  return service === 'ec2' && parameters['DryRun'] === 'true'
}

export function dryRunSucceeded(): Refusal {
  return new Refusal({
    code: 'DryRunOperation',
    status: 412,
    message: 'Request would have succeeded, but DryRun flag is set.',
  })
}
