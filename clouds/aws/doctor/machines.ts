import type { RunInstancesCommandInput } from '@aws-sdk/client-ec2'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { described } from '../builders/attempts.ts'
import { bootImage } from '../builders/boot-image.ts'
import { awsArchitectures } from '../config.ts'
import { requestFor } from '../builders/freeze.ts'
import { instanceTypesFor } from '../builders/instance-types.ts'
import { machineRequest } from '../builders/run-request.ts'
import type { AwsSettings } from '../settings.ts'
import { machineDryRuns, nothing } from './dry-runs.ts'
import { type Signal, tryRight } from './signals.ts'

export interface MachinesLookedAt {
  findings: Finding[]
  signals: Signal[]
  /** The type that is asked for first, of each architecture. */
  instanceTypes: string[]
  /** Some AMI that is there. */
  imageId?: string
}

/**
 * Asks, without renting it, for the machine that each architecture's builds would get, in the way that is asked for first:
 * base image, instance types, subnet and security groups are looked at as EC2 itself looks at them.
 */
export async function lookAtMachines(settings: AwsSettings, ctx: Context): Promise<MachinesLookedAt> {
  const { configuration, owner } = settings
  const { region } = configuration
  const found: MachinesLookedAt = { findings: [], signals: [], instanceTypes: [] }
  for (const arch of awsArchitectures.filter((each) => configuration.base[each])) {
    const subject = `${arch} builders in ${region}`
    try {
      const boot = await bootImage(settings, { arch }, region, ctx)
      found.imageId ??= boot.id
      const types = await instanceTypesFor(settings, arch, region, ctx)
      const request = requestFor(settings, boot, types, 0, region)
      const lease = {
        id: 'doctor',
        owner,
        release: 'doctor',
        arch,
        expires: new Date(ctx.now()).toISOString(),
      }
      const [way] = request.attempts
      found.instanceTypes.push(way!.instanceType)
      const signals = await dryRun(settings, machineRequest(request, way!, lease), ctx)
      found.signals.push(...signals)
      const what = `${described(way!)} from ${boot.id} (${boot.name})`
      found.findings.push(toldOf(settings, subject, what, signals))
    } catch (error) {
      ctx.signal.throwIfAborted()
      found.findings.push(failed(subject, error))
    }
  }
  if (found.signals.length === 0) found.signals.push(...(await dryRunOfNothing(settings, ctx)))
  return found
}

async function dryRun(
  settings: AwsSettings,
  request: RunInstancesCommandInput,
  ctx: Context,
): Promise<Signal[]> {
  const { region } = settings.configuration
  const probes = machineDryRuns(settings.clients(region), request)
  const signals: Signal[] = []
  for (const probe of probes) signals.push(...(await tryRight(probe, region, ctx)))
  return signals
}

/** Without a base image that is there, the rights can still be asked about. */
async function dryRunOfNothing(settings: AwsSettings, ctx: Context): Promise<Signal[]> {
  const { region } = settings.configuration
  const request = { ImageId: nothing.image, MinCount: 1, MaxCount: 1 }
  const [run] = machineDryRuns(settings.clients(region), request)
  return await tryRight({ ...run!, by: 'dry run on nothing' }, region, ctx)
}

/** A right that is missing is told with all others; what else EC2 has against the machine is told here. */
function toldOf({ name }: AwsSettings, subject: string, what: string, signals: readonly Signal[]): Finding {
  const refused = signals.find(
    ({ action, verdict }) => action === 'ec2:RunInstances' && verdict === 'unknown',
  )
  if (!refused) return { severity: 'ok', subject, message: what }
  const hint = `Compare what it names with clouds.${name} in the configuration.`
  return { severity: 'error', subject, message: `${what}: ${refused.said}`, hint }
}

function failed(subject: string, error: unknown): Finding {
  const { class: failureClass, message, hint } = asFactoryError(error)
  const severity = failureClass === 'permission' ? 'warning' : 'error'
  return { severity, subject, message, ...(hint === undefined ? {} : { hint }) }
}
