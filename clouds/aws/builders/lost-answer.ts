import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { awsErrorName } from '../failures.ts'
import { type Machine, lives, machinesByToken, machinesOfLease } from './machines.ts'
import type { AwsSettings } from '../settings.ts'

/** EC2 shows what it has made within seconds. */
const pausesMs = [0, 1_000, 2_000, 4_000]

/** Whether EC2 has answered that it makes no machine. A token that was seen with another request has made one. */
export function isRefusal(error: FactoryError): boolean {
  return ['user', 'permission', 'capacity', 'quota'].includes(error.class) && !isReplay(error)
}

/**
 * The machine of a lease that a failed request made all the same. Whenever it was not refused outright at the first try (no
 * answer, a broken one, a refusal of a second try, a token that was used for another request), somebody may have to pay
 * for one, so it is looked for by its marks and its token.
 */
export async function lostMachine(
  settings: AwsSettings,
  region: string,
  leaseId: string,
  failure: FactoryError,
  ctx: Context,
): Promise<Machine | undefined> {
  for (const pauseMs of pausesMs) {
    await ctx.sleep(pauseMs)
    const found = [
      ...(await machinesOfLease(settings, region, leaseId, ctx)),
      ...(await machinesByToken(settings, region, leaseId, ctx)),
    ]
    const alive = found.find(lives)
    if (alive) return alive
  }
  if (isReplay(failure)) throw requestChanged(region, leaseId, failure)
  return undefined
}

/** https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html */
function isReplay(error: FactoryError): boolean {
  return awsErrorName(error) === 'IdempotentParameterMismatch'
}

function requestChanged(region: string, leaseId: string, cause: FactoryError): FactoryError {
  return new FactoryError({
    code: 'aws-request-changed',
    message: `EC2 in ${region} has seen the token of lease ${leaseId} with another request, and its machine is gone`,
    hint: 'Run factory release again: it gives this lease back and takes another one.',
    class: 'infra',
    cause,
  })
}
