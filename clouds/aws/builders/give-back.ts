import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { call } from '../call.ts'
import { awsErrorName, isNotFound } from '../failures.ts'
import { type RentedThing, rentedThings } from './find-rented.ts'
import { type LeaseRecord, forgetRecord, readRecord } from './lease-record.ts'
import { type Machine, describeMachine, lives, machinesByToken, machinesOfLease } from './machines.ts'
import type { AwsSettings } from '../settings.ts'
import { terminate } from './terminate.ts'
import { until } from '../wait.ts'

const endLimitMs = 5 * 60_000
const removeLimitMs = 3 * 60_000
/** A machine that was asked for and whose answer never came shows within seconds. */
const pausesMs = [0, 1_500, 3_000]

/** Gives everything of a lease back and waits until it is gone; "not there" is success. */
export async function giveBack(settings: AwsSettings, leaseId: string, ctx: Context): Promise<void> {
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
  settings: AwsSettings,
  region: string,
  leaseId: string,
  record: LeaseRecord | undefined,
  ctx: Context,
): Promise<void> {
  const marks = { owner: settings.owner, lease: leaseId }
  // A request for a spot machine that is still open could be answered with one later.
  const { things } = await rentedThings(settings, region, marks, ctx)
  for (const thing of things) {
    if (thing.of.kind === 'spot-request') await removeIfThere(settings, region, thing, ctx)
  }
  const machines = await machinesToEnd(settings, region, leaseId, record, ctx)
  const standing = machines.filter(({ state }) => state !== 'terminated').map(({ id }) => id)
  if (standing.length > 0) ctx.emit({ message: `ending ${standing.join(', ')} in ${region}` })
  await terminate(settings, region, standing, ctx)
  for (const id of standing) {
    await until(`ending ${id} in ${region}`, endLimitMs, ctx, async () => {
      const machine = await describeMachine(settings, region, id, ctx)
      return !machine || machine.state === 'terminated' ? true : undefined
    })
  }
  await until(`removing what ${leaseId} left in ${region}`, removeLimitMs, ctx, async () => {
    const left = await rentedThings(settings, region, marks, ctx)
    if (left.things.length === 0 && left.failure) throw left.failure
    for (const thing of left.things) await removeIfThere(settings, region, thing, ctx)
    return left.things.length === 0 ? true : undefined
  })
}

/** All machines of a lease; when one was asked for and never seen, they are looked for longer, and by their tokens. */
async function machinesToEnd(
  settings: AwsSettings,
  region: string,
  leaseId: string,
  record: LeaseRecord | undefined,
  ctx: Context,
): Promise<Machine[]> {
  const marked = await machinesOfLease(settings, region, leaseId, ctx)
  if (!record || record.outcome === 'refused' || marked.some(lives)) return marked
  if (record.outcome !== 'asked') {
    const machine = await describeMachine(settings, region, record.outcome, ctx)
    return machine ? [...marked, machine] : marked
  }
  for (const pauseMs of pausesMs) {
    await ctx.sleep(pauseMs)
    const found = (await machinesByToken(settings, region, leaseId, ctx)).filter(lives)
    if (found.length > 0) return [...marked, ...found]
  }
  return marked
}

/** What is still attached to a machine that is going is tried again at the next look. */
async function removeIfThere(
  settings: AwsSettings,
  region: string,
  { of, id }: RentedThing,
  ctx: Context,
): Promise<void> {
  const { ec2 } = settings.clients(region)
  try {
    await call(`removing ${id}`, region, ctx, (options) => of.remove(ec2, id, options))
  } catch (error) {
    const inUse = /InUse$|^DependencyViolation$|^IncorrectState$/.test(awsErrorName(error))
    if (!isNotFound(error) && !inUse) throw error
  }
}
