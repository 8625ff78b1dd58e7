import type { Context } from '#src/context.ts'
import type { OpenstackSettings } from '../settings.ts'
import { until } from '../wait.ts'
import { addressesOf, deleteAddress } from './addresses.ts'
import { endMachine } from './end.ts'
import { forgetRecord, readRecord } from './lease-record.ts'
import { machinesAskedFor } from './machines-asked-for.ts'
import { deleteVolume, volumesOfLease } from './volumes.ts'

const removeLimitMs = 5 * 60_000

/** Gives everything of a lease back and waits until the cloud does not know it any more; "not there" is success. */
export async function giveBack(settings: OpenstackSettings, leaseId: string, ctx: Context): Promise<void> {
  const { region } = settings.configuration
  const which = { owner: settings.owner, lease: leaseId }
  const machines = await machinesAskedFor(settings, leaseId, await readRecord(settings, leaseId), ctx)
  for (const address of await addressesOf(settings, which, ctx)) await deleteAddress(settings, address, ctx)
  for (const { id } of machines) {
    ctx.emit({ message: `removing ${id} in ${region}` })
    await endMachine(settings, id, ctx)
  }
  await until(`removing what ${leaseId} left in ${region}`, removeLimitMs, ctx, async () => {
    // A volume that a machine on its way out still holds is tried again at the next look.
    const volumes = await volumesOfLease(settings, leaseId, ctx)
    for (const volume of volumes) await deleteVolume(settings, volume, ctx)
    const addresses = await addressesOf(settings, which, ctx)
    for (const address of addresses) await deleteAddress(settings, address, ctx)
    return volumes.length + addresses.length === 0 ? true : undefined
  })
  await forgetRecord(settings, leaseId)
}
