import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { formatDuration } from '#src/units.ts'
import { lookAtBucket } from './doctor/bucket.ts'
import { type Caller, callerOf } from './doctor/identity.ts'
import { lookAtMachines } from './doctor/machines.ts'
import { lookAtNetwork } from './doctor/network.ts'
import { lookAtQuotas } from './doctor/quotas.ts'
import { lookAtRegions } from './doctor/regions.ts'
import { lookAtRights } from './doctor/rights.ts'
import { lookAtSharing } from './doctor/sharing.ts'
import { lookAtSpotRole } from './doctor/spot-role.ts'
import type { AwsSettings } from './settings.ts'

/** Beyond this the ends of leases mean something else to us than to AWS; at five minutes signatures are refused. */
const skewMs = { warning: 30_000, error: 5 * 60_000 }

/**
 * Looks at everything in the account that a release would stumble over. It rents nothing and leaves nothing; what it
 * cannot know it says so.
 */
export async function* doctor(settings: AwsSettings, ctx: Context): AsyncIterable<Finding> {
  const { region } = settings.configuration
  const subject = `account in ${region}`
  let caller: Caller
  try {
    caller = await callerOf(settings, ctx)
  } catch (error) {
    const { message, hint } = asFactoryError(error)
    yield { severity: 'error', subject, message, ...(hint === undefined ? {} : { hint }) }
    return
  }
  yield { severity: 'ok', subject, message: `${caller.account} as ${caller.arn}` }
  if (caller.skewMs !== undefined) yield toldOfClock(caller.skewMs)
  const machines = await lookAtMachines(settings, ctx)
  yield* machines.findings
  yield* lookAtSpotRole(settings, ctx)
  yield* lookAtQuotas(settings, machines.instanceTypes, ctx)
  const { findings, answering } = await lookAtRegions(settings, ctx)
  yield* findings
  yield* lookAtNetwork(settings, answering, ctx)
  yield* lookAtSharing(settings, answering, ctx)
  yield* lookAtBucket(settings, ctx)
  yield* lookAtRights(settings, { caller, machines, answering }, ctx)
}

function toldOfClock(skew: number): Finding {
  const size = Math.abs(skew)
  const subject = 'clock'
  if (size < skewMs.warning) return { severity: 'ok', subject, message: 'agrees with that of AWS' }
  const message = `this machine is ${formatDuration(size)} ${skew > 0 ? 'behind' : 'ahead of'} AWS`
  const hint =
    'Set the clock (timedatectl set-ntp true): leases end at wrong times, and signatures are refused.'
  return { severity: size < skewMs.error ? 'warning' : 'error', subject, message, hint }
}
