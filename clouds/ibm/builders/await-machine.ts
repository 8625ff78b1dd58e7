import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { IbmSettings } from '../settings.ts'
import { until } from '../wait.ts'
import { type Instance, instanceById, lives } from './instances.ts'

const runLimitMs = 10 * 60_000
/** A machine is shown to whoever made it at once; the others may be a moment behind. */
const visibleLimitMs = 60_000
/** https://cloud.ibm.com/docs/vpc?topic=vpc-instance-status-messages */
const noCapacity = /^cannot_start_(capacity|compute|placement_group|reservation_capacity)$/
const notYet = '0.0.0.0'

/** Waits until a machine runs and has its address in the subnet. Throws, class capacity, when its zone has no place for it; `ibm-machine-ended` when it ended otherwise. */
export async function runningMachine(
  settings: IbmSettings,
  region: string,
  started: Instance,
  ctx: Context,
): Promise<Instance> {
  if (isReady(started)) return started
  const { id } = started
  ctx.emit({ message: `waiting for ${id} to run in ${region}` })
  const startedAt = ctx.now()
  return await until(`starting ${id} in ${region}`, runLimitMs, ctx, async () => {
    const machine = await instanceById(settings, region, id, ctx)
    if (!machine && ctx.now() - startedAt < visibleLimitMs) return undefined
    if (!machine || !lives(machine)) throw ended(machine ?? { ...started, status: 'gone' }, region)
    return isReady(machine) ? machine : undefined
  })
}

export function privateAddress({
  primary_network_interface: { primary_ip: ip },
}: Instance): string | undefined {
  return ip?.address === notYet ? undefined : ip?.address
}

function isReady(machine: Instance): boolean {
  return machine.status === 'running' && privateAddress(machine) !== undefined
}

function ended(
  { id, status, status_reasons: reasons, profile, zone }: Instance,
  region: string,
): FactoryError {
  const said =
    reasons.map(({ code, message }) => `${code}: ${message}`).join('; ') || 'IBM Cloud does not say why'
  const message = `${id} (${profile.name} in ${zone.name}) in ${region} is ${status} before it could be used: ${said}`
  const context = { name: reasons[0]?.code ?? '', region, machine: id }
  if (reasons.some(({ code }) => noCapacity.test(code))) {
    const hint =
      'Name more `profiles` or `subnets` in other zones, or another cloud in `builders`; or try again later.'
    return new FactoryError({ code: 'ibm-no-capacity', message, hint, class: 'capacity', context })
  }
  const hint = 'Run the same command again: it ends this machine and rents another one.'
  return new FactoryError({ code: 'ibm-machine-ended', message, hint, class: 'infra', context })
}
