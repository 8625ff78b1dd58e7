import type { Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { type Marks, leaseMarks } from '../marks.ts'
import type { IbmSettings } from '../settings.ts'
import { attachMarks, readMarks } from '../tags.ts'

/**
 * Marks a machine or an address as the lease's. The end that was frozen with the lease is its first one: what stands there
 * may have been prolonged since, and a later end stays.
 */
export async function markForLease(
  settings: IbmSettings,
  crn: string,
  lease: Lease,
  ctx: Context,
): Promise<void> {
  const seen = await readMarks(settings, crn, ctx)
  const expires = endsBefore(seen, lease.expires) ? lease.expires : seen['expires']!
  const marks = { ...leaseMarks(lease), expires }
  const isMarked = Object.entries(marks).every(([name, value]) => seen[name] === value)
  if (!isMarked) await attachMarks(settings, [crn], marks, ctx)
}

/** Whether the end among the marks comes before this one; one that is missing or cannot be read does. */
export function endsBefore(marks: Partial<Marks>, expires: string): boolean {
  const end = Date.parse(marks['expires'] ?? '')
  return Number.isNaN(end) || end < Date.parse(expires)
}
