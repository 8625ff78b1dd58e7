import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { awsErrorName } from './failures.ts'
import { type Machine, lives, machinesByToken, machinesOfLease } from './machines.ts'
import type { AwsSettings } from './settings.ts'

/** EC2 shows what it has made within seconds. */
const pausesMs = [0, 1_000, 2_000, 4_000]

/**
 * After a request for a machine that failed: the machine of the lease that it made all the same. What EC2 refused outright
 * at the first try made none. Whatever else happened (no answer, a broken one, a refusal of a second try, a token that was
 * used for another request), somebody may have to pay for a machine, so it is looked for by its marks and its token.
 */
export async function lostMachine(
  settings: AwsSettings,
  region: string,
  leaseId: string,
  error: unknown,
  ctx: Context,
): Promise<Machine | undefined> {
  const failure = asFactoryError(error)
  const replayed = awsErrorName(failure) === 'IdempotentParameterMismatch'
  const refused = ['user', 'permission', 'capacity', 'quota'].includes(failure.class)
  if (refused && !replayed && tries(failure) === 1) return undefined
  for (const pauseMs of pausesMs) {
    await ctx.sleep(pauseMs)
    const found = [
      ...(await machinesOfLease(settings, region, leaseId, ctx)),
      ...(await machinesByToken(settings, region, leaseId, ctx)),
    ]
    const alive = found.find(lives)
    if (alive) return alive
  }
  if (replayed) throw requestChanged(region, leaseId, failure)
  return undefined
}

/** How often the SDK has sent a request; what it does not say was not one. */
function tries({ cause }: FactoryError): number {
  return (cause as { $metadata?: { attempts?: number } } | undefined)?.$metadata?.attempts ?? 1
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
