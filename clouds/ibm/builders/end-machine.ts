import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { leaseOfName, rentedName } from '../names.ts'
import type { IbmSettings } from '../settings.ts'
import { until } from '../wait.ts'
import { everyAddress, releaseAddress } from './addresses.ts'
import { type Instance, deleteInstance, instanceById, instanceNamed, lives } from './instances.ts'
import { type Volume, deleteVolume, everyVolume } from './volumes.ts'

/** A machine that is being made can be deleted only when that has ended. */
const endLimitMs = 15 * 60_000
const removeLimitMs = 10 * 60_000

/** Ends a machine for good and waits until it is gone with its volumes: until then they hold their names. */
export async function endMachine(
  settings: IbmSettings,
  region: string,
  leaseId: string,
  { id }: Pick<Instance, 'id'>,
  ctx: Context,
): Promise<void> {
  ctx.emit({ message: `ending ${id} in ${region}` })
  await until(`ending ${id} in ${region}`, endLimitMs, ctx, async () => {
    const machine = await instanceById(settings, region, id, ctx)
    if (!machine) return true
    if (machine.status !== 'deleting') await unlessBusy(() => deleteInstance(settings, region, id, ctx))
    return undefined
  })
  await removeVolumes(settings, region, leaseId, ctx)
}

/** Mostly they have gone with their machine; what stayed is deleted. */
export async function removeVolumes(
  settings: IbmSettings,
  region: string,
  leaseId: string,
  ctx: Context,
): Promise<void> {
  await until(`deleting the volumes of ${leaseId} in ${region}`, removeLimitMs, ctx, async () => {
    const all = await everyVolume(settings, region, ctx)
    const left = all.filter(({ name }) => leaseOfName(name, settings.owner) === leaseId)
    for (const volume of left.filter(isFree))
      await unlessBusy(() => deleteVolume(settings, region, volume.id, ctx))
    return left.length === 0 ? true : undefined
  })
}

/**
 * Ends what holds the names of a lease without being a machine to work on: one that has ended, or volumes that outlived
 * theirs. A machine that lives stays.
 */
export async function freeNames(
  settings: IbmSettings,
  region: string,
  leaseId: string,
  ctx: Context,
): Promise<void> {
  const name = rentedName('machine', leaseId, settings.owner)
  const machine = await instanceNamed(settings, region, name, ctx)
  if (!machine) await removeVolumes(settings, region, leaseId, ctx)
  else if (!lives(machine)) await endMachine(settings, region, leaseId, machine, ctx)
}

/** Gives back the addresses of a lease and waits until they are gone. */
export async function removeAddresses(
  settings: IbmSettings,
  region: string,
  leaseId: string,
  ctx: Context,
): Promise<void> {
  await until(`giving back the address of ${leaseId} in ${region}`, removeLimitMs, ctx, async () => {
    const all = await everyAddress(settings, region, ctx)
    const left = all.filter(({ name }) => leaseOfName(name, settings.owner) === leaseId)
    for (const { id, status } of left)
      if (status !== 'deleting') await unlessBusy(() => releaseAddress(settings, region, id, ctx))
    return left.length === 0 ? true : undefined
  })
}

function isFree({ status, attachment_state: state }: Volume): boolean {
  return state !== 'attached' && status !== 'pending_deletion' && status !== 'pending'
}

/** What VPC is at work with is asked for again. */
export async function unlessBusy(ask: () => Promise<void>): Promise<void> {
  try {
    await ask()
  } catch (error) {
    if (asFactoryError(error).code !== 'ibm-busy') throw error
  }
}
