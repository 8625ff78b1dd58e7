import type { Context } from '#src/context.ts'
import { isNotFound, statusOf } from '../failures.ts'
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
    if (!machine || machine.state === 'DELETED') return true
    if (machine.state === 'SOFT_DELETED' && !machine.isBeingDeleted) await endForGood(settings, id, ctx)
    return undefined
  })
}

/**
 * Some clouds keep what was removed for hours, with its volumes and addresses, and show it in no listing:
 * https://docs.openstack.org/api-ref/compute/#force-delete-server-forcedelete-action
 */
async function endForGood(settings: OpenstackSettings, id: string, ctx: Context): Promise<void> {
  const { session, configuration } = settings
  const { region } = configuration
  const what = `removing the server ${id} for good`
  const path = `/servers/${id}/action`
  const json = { forceDelete: null }
  try {
    await session.send(
      { service: 'compute', region, what, method: 'POST', path, json, repeatable: true },
      ctx,
    )
  } catch (error) {
    // 409: it has begun already.
    if (!isNotFound(error) && statusOf(error) !== 409) throw error
  }
}
