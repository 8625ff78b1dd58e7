import type { Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { isNameTaken } from '../failures.ts'
import { rentedName } from '../names.ts'
import { resourceGroupIn } from '../resource-group.ts'
import type { IbmSettings } from '../settings.ts'
import { until } from '../wait.ts'
import { type Address, addressById, bindAddress, everyAddress, reserveAddress } from './addresses.ts'
import { removeAddresses, unlessBusy } from './end-machine.ts'
import type { Instance } from './instances.ts'
import { markForLease } from './mark-for-lease.ts'

const bindLimitMs = 3 * 60_000
const pausesMs = [0, 1_000, 2_000]

/** The floating IP of a machine: its own, which is reserved for it and goes with it; returns when it is seen to be bound. */
export async function floatingIp(
  settings: IbmSettings,
  region: string,
  machine: Instance,
  lease: Lease,
  ctx: Context,
): Promise<string> {
  const interfaceId = machine.primary_network_interface.id
  const before = await addressOf(settings, region, lease, ctx)
  // An address cannot leave its zone, and the machine before this one may have been in another.
  const isGood = before?.zone.name === machine.zone.name && !isLost(before)
  if (before && !isGood) await removeAddresses(settings, region, lease.id, ctx)
  const known = isGood ? before : undefined
  const { id, crn } = known ?? (await reserve(settings, region, interfaceId, lease, ctx))
  await markForLease(settings, crn, lease, ctx)
  return await until(`binding the address of ${lease.id} in ${region}`, bindLimitMs, ctx, async () => {
    const now = await addressById(settings, region, id, ctx)
    if (now?.status === 'available' && now.target?.id === interfaceId) return now.address
    // Somebody else's hand, or a machine before this one.
    if (now?.status === 'available')
      await unlessBusy(() => bindAddress(settings, region, id, interfaceId, ctx))
    if (now && isLost(now)) throw lost(now, region)
    return undefined
  })
}

async function reserve(
  settings: IbmSettings,
  region: string,
  interfaceId: string,
  lease: Lease,
  ctx: Context,
): Promise<Address> {
  ctx.emit({ message: `reserving an address for ${lease.id}` })
  const name = rentedName('address', lease.id, lease.owner)
  const body = { name, target: { id: interfaceId }, ...(await resourceGroupIn(settings, ctx)) }
  try {
    return await reserveAddress(settings, region, body, ctx)
  } catch (error) {
    ctx.signal.throwIfAborted()
    const failure = asFactoryError(error)
    if (failure.class !== 'infra' && !isNameTaken(failure)) throw failure
    for (const pauseMs of pausesMs) {
      await ctx.sleep(pauseMs)
      const made = await addressOf(settings, region, lease, ctx)
      if (made) return made
    }
    throw failure
  }
}

async function addressOf(
  settings: IbmSettings,
  region: string,
  { id, owner }: Lease,
  ctx: Context,
): Promise<Address | undefined> {
  const name = rentedName('address', id, owner)
  return (await everyAddress(settings, region, ctx)).find((each) => each.name === name)
}

/** It never becomes available any more. */
function isLost({ status }: Address): boolean {
  return status === 'failed' || status === 'deleting'
}

function lost({ id, status }: Address, region: string): FactoryError {
  return new FactoryError({
    code: 'ibm-address-failed',
    message: `the floating IP ${id} in ${region} is ${status} before it could be used`,
    hint: 'Run the same command again: it is given back and another one is reserved.',
    class: 'infra',
  })
}
