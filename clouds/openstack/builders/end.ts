import type { Context } from '#src/context.ts'
import { isNotFound } from '../failures.ts'
import type { OpenstackSettings } from '../settings.ts'
import { until } from '../wait.ts'
import { machineById } from './machines.ts'

const endLimitMs = 5 * 60_000

/** Removes a machine and waits until Nova does not know it any more; "not there" is success. */
export async function endMachine(settings: OpenstackSettings, id: string, ctx: Context): Promise<void> {
  const { session, configuration } = settings
  const { region } = configuration
  const what = `removing the server ${id}`
  try {
    await session.send({ service: 'compute', region, what, method: 'DELETE', path: `/servers/${id}` }, ctx)
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
  await until(`removing the server ${id} in ${region}`, endLimitMs, ctx, async () => {
    const machine = await machineById(settings, id, ctx)
    return !machine || machine.state === 'DELETED' || machine.state === 'SOFT_DELETED' ? true : undefined
  })
}
