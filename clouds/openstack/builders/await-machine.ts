import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { shortageIn } from '../failures.ts'
import type { OpenstackSettings } from '../settings.ts'
import { until } from '../wait.ts'
import { type Machine, lives, machineById } from './machines.ts'

const activeLimitMs = 8 * 60_000

/**
 * Waits until a machine runs. Throws, class capacity or quota, when Nova found no place for it; `openstack-machine-ended`
 * when it ended otherwise.
 */
export async function runningMachine(
  settings: OpenstackSettings,
  id: string,
  ctx: Context,
): Promise<Machine> {
  const { region } = settings.configuration
  ctx.emit({ message: `waiting for ${id} to run in ${region}` })
  return await until(`starting ${id} in ${region}`, activeLimitMs, ctx, async () => {
    const machine = await machineById(settings, id, ctx)
    if (!machine || !lives(machine)) throw ended(id, region, machine)
    return machine.state === 'ACTIVE' ? machine : undefined
  })
}

function ended(id: string, region: string, machine: Machine | undefined): FactoryError {
  const fault = machine?.fault ?? 'Nova does not say why'
  const state = machine?.isBeingDeleted ? 'being deleted' : (machine?.state ?? 'gone')
  const message = `the server ${id} in ${region} is ${state} before it could be used: ${fault.slice(0, 1000)}`
  const shortage = machine?.state === 'ERROR' ? shortageIn(fault) : undefined
  if (shortage) return new FactoryError({ ...shortage, message })
  return new FactoryError({
    code: 'openstack-machine-ended',
    message,
    hint: `Run the same command again; openstack server show ${id} tells more as long as it is there.`,
    class: 'infra',
  })
}
