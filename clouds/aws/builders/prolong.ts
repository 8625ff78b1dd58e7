import { CreateTagsCommand } from '@aws-sdk/client-ec2'
import { leaseGone } from '#clouds/lease-gone.ts'
import type { Context } from '#src/context.ts'
import { call } from '../call.ts'
import { isNotFound } from '../failures.ts'
import { rentedThings } from './find-rented.ts'
import { readRecord } from './lease-record.ts'
import { lives, machinesOfLease } from './machines.ts'
import type { AwsSettings } from '../settings.ts'
import { type Marks, tagName } from '../tags.ts'

/**
 * Writes a later end onto everything of a lease: the machine first, for it is what reapers would end. An end that is
 * later already is from somebody newer and stays. Throws `lease-gone` when no machine of it lives.
 */
export async function prolong(
  settings: AwsSettings,
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
  settings: AwsSettings,
  region: string,
  leaseId: string,
  expires: string,
  ctx: Context,
): Promise<boolean> {
  const machines = (await machinesOfLease(settings, region, leaseId, ctx)).filter(lives)
  if (machines.length === 0) return false
  const { things, failure } = await rentedThings(
    settings,
    region,
    { owner: settings.owner, lease: leaseId },
    ctx,
  )
  const ids = [...machines, ...things].filter(({ marks }) => endsBefore(marks, expires)).map(({ id }) => id)
  if (ids.length > 0) await tagAll(settings, region, ids, expires, leaseId, ctx)
  if (failure) throw failure
  return true
}

async function tagAll(
  settings: AwsSettings,
  region: string,
  ids: string[],
  expires: string,
  leaseId: string,
  ctx: Context,
): Promise<void> {
  const { ec2 } = settings.clients(region)
  const Tags = [{ Key: tagName('expires'), Value: expires }]
  try {
    await call(`prolonging ${leaseId}`, region, ctx, (options) =>
      ec2.send(new CreateTagsCommand({ Resources: ids, Tags }), options),
    )
  } catch (error) {
    throw isNotFound(error) ? leaseGone(leaseId, error) : error
  }
}

function endsBefore(marks: Partial<Marks>, expires: string): boolean {
  const end = Date.parse(marks['expires'] ?? '')
  return Number.isNaN(end) || end < Date.parse(expires)
}
