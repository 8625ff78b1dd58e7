import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { rentedName } from '../names.ts'
import type { IbmSettings } from '../settings.ts'
import { forgetMarks } from '../tags.ts'
import { endMachine, removeAddresses, removeVolumes } from './end-machine.ts'
import { rentedThings } from './find-rented.ts'
import { type Instance, instanceNamed } from './instances.ts'
import { type LeaseRecord, forgetRecord, readRecord } from './lease-record.ts'

/** A machine that was asked for and whose answer never came shows within seconds. */
const pausesMs = [0, 1_500, 3_000]

/** Gives everything of a lease back and waits until it is gone; "not there" is success. */
export async function giveBack(settings: IbmSettings, leaseId: string, ctx: Context): Promise<void> {
  const record = await readRecord(settings, leaseId)
  // Without a record it may be anywhere.
  const regions = record ? [record.region] : settings.regions
  const done = await Promise.allSettled(
    regions.map((region) => giveBackIn(settings, region, leaseId, record, ctx)),
  )
  ctx.signal.throwIfAborted()
  for (const each of done) if (each.status === 'rejected') throw asFactoryError(each.reason)
  await forgetRecord(settings, leaseId)
}

async function giveBackIn(
  settings: IbmSettings,
  region: string,
  leaseId: string,
  record: LeaseRecord | undefined,
  ctx: Context,
): Promise<void> {
  const machine = await machineToEnd(settings, region, leaseId, record, ctx)
  const { things } = await rentedThings(settings, region, settings.owner, ctx, leaseId)
  if (machine) await endMachine(settings, region, leaseId, machine, ctx)
  await removeVolumes(settings, region, leaseId, ctx)
  await removeAddresses(settings, region, leaseId, ctx)
  if (things.length > 0) await forgetMarks(settings, { lease: leaseId }, ctx)
  for (const name of ['expires', 'release']) {
    const values = new Set(things.flatMap(({ marks }) => marks[name] ?? []))
    for (const value of values) await forgetMarks(settings, { [name]: value }, ctx)
  }
}

/** The machine of a lease; when one was asked for and never seen, it is looked for longer. */
async function machineToEnd(
  settings: IbmSettings,
  region: string,
  leaseId: string,
  record: LeaseRecord | undefined,
  ctx: Context,
): Promise<Instance | undefined> {
  const look = () => instanceNamed(settings, region, rentedName('machine', leaseId, settings.owner), ctx)
  if (record?.outcome !== 'asked') return await look()
  for (const pauseMs of pausesMs) {
    await ctx.sleep(pauseMs)
    const found = await look()
    if (found) return found
  }
  return undefined
}
