import { leaseGone } from '#clouds/lease-gone.ts'
import type { Context } from '#src/context.ts'
import { isNotFound } from '../failures.ts'
import { type Marks, endsBefore, metadataOf } from '../marks.ts'
import type { OpenstackSettings } from '../settings.ts'
import { addressesOf, markAddress } from './addresses.ts'
import { lives, machinesOfLease } from './machines.ts'
import { volumesOfLease } from './volumes.ts'

/**
 * Writes a later end onto everything of a lease: the machine first, for it is what reapers would end. An end that is later
 * already is from somebody newer and stays. Throws `lease-gone` when no machine of it lives.
 */
export async function prolong(
  settings: OpenstackSettings,
  leaseId: string,
  expires: string,
  ctx: Context,
): Promise<void> {
  const { session, configuration } = settings
  const { region } = configuration
  const machines = (await machinesOfLease(settings, leaseId, ctx)).filter(lives)
  if (machines.length === 0) throw leaseGone(leaseId)
  const later = ({ marks }: { marks: Partial<Marks> }) => endsBefore(marks, expires)
  const json = { metadata: metadataOf({ expires }) }
  const mark = async (service: 'compute' | 'volume', path: string) => {
    const what = `prolonging ${leaseId}`
    await session.send(
      { service, region, what, method: 'POST', path: `${path}/metadata`, json, repeatable: true },
      ctx,
    )
  }
  try {
    for (const { id } of machines.filter(later)) await mark('compute', `/servers/${id}`)
    for (const { id } of (await volumesOfLease(settings, leaseId, ctx)).filter(later)) {
      await mark('volume', `/volumes/${id}`)
    }
    const addresses = await addressesOf(settings, { owner: settings.owner, lease: leaseId }, ctx)
    for (const address of addresses.filter(later)) {
      await markAddress(settings, address, { ...(address.marks as Marks), expires }, ctx)
    }
  } catch (error) {
    // Somebody gives it back while we look.
    throw isNotFound(error) ? leaseGone(leaseId, error) : error
  }
}
