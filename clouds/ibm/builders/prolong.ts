import { leaseGone } from '#clouds/lease-gone.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { rentedName } from '../names.ts'
import type { IbmSettings } from '../settings.ts'
import { forgetMarks, seeMarks, writeMarks } from '../tags.ts'
import { type RentedThing, rentedThings } from './find-rented.ts'
import { instanceNamed, lives } from './instances.ts'
import { readRecord } from './lease-record.ts'
import { endsBefore } from './mark-for-lease.ts'

/** The service has taken the new end by then; a machine must not end because it is slow to show it. */
const shownLimitMs = 20_000

/**
 * Writes a later end onto everything of a lease. An end that is later already is from somebody newer and stays. Throws
 * `lease-gone` when no machine of it lives.
 */
export async function prolong(
  settings: IbmSettings,
  leaseId: string,
  expires: string,
  ctx: Context,
): Promise<void> {
  const record = await readRecord(settings, leaseId)
  const regions = record ? [record.region] : settings.regions
  const asked = await Promise.allSettled(
    regions.map((region) => prolongIn(settings, region, leaseId, expires, ctx)),
  )
  ctx.signal.throwIfAborted()
  if (asked.some((each) => each.status === 'fulfilled' && each.value)) return
  for (const each of asked) if (each.status === 'rejected') throw each.reason
  throw leaseGone(leaseId)
}

/** Whether the machine is in this region. */
async function prolongIn(
  settings: IbmSettings,
  region: string,
  leaseId: string,
  expires: string,
  ctx: Context,
): Promise<boolean> {
  const { owner } = settings
  const machine = await instanceNamed(settings, region, rentedName('machine', leaseId, owner), ctx)
  if (!machine || !lives(machine)) return false
  const { things, failure } = await rentedThings(settings, region, owner, ctx, leaseId)
  const due = things.filter((thing) => !isGoing(thing) && endsBefore(thing.marks, expires))
  if (due.length > 0) {
    const crns = due.map(({ crn }) => crn)
    await writeMarks(settings, crns, { expires }, ctx)
    await seeMarks(settings, crns, { expires }, shownLimitMs, ctx).catch((error: unknown) => {
      ctx.signal.throwIfAborted()
      const failure = asFactoryError(error)
      if (failure.class !== 'timeout') throw failure
      ctx.log(failure.message)
    })
    const before = new Set(due.flatMap(({ marks }) => marks['expires'] ?? []))
    for (const end of before) await forgetMarks(settings, { expires: end }, ctx)
  }
  if (failure) throw failure
  return true
}

/** What is being deleted takes no marks any more. */
function isGoing({ state }: RentedThing): boolean {
  return state === 'deleting' || state === 'pending_deletion'
}
