import type { Resource } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { type FactoryError, asFactoryError } from '#src/errors.ts'
import { call } from '../call.ts'
import { machinesOfOwner } from './machines.ts'
import { type RentedKind, rentedKinds } from './rented-kinds.ts'
import type { AwsSettings } from '../settings.ts'
import { type Marks, filtersFor, marksOf, tagName } from '../tags.ts'

/** Something of a lease beside its machine. */
export interface RentedThing {
  of: RentedKind
  id: string
  state?: string | undefined
  marks: Partial<Marks>
}

/**
 * Everything in one region that bears the owner's mark and that of a lease, in every state but ended. A kind that cannot
 * be listed, mostly for want of a right, does not hide the others; its failure is thrown at the end.
 */
export async function* findRented(
  settings: AwsSettings,
  region: string,
  owner: string,
  ctx: Context,
): AsyncIterable<Resource> {
  for (const { id, state, marks } of await machinesOfOwner(settings, region, owner, ctx)) {
    yield { kind: 'machine', id, state, region, ...words(marks) }
  }
  const { things, failure } = await rentedThings(settings, region, { owner }, ctx)
  for (const { of, id, state, marks } of things) {
    yield { kind: of.kind, id, region, ...words(marks), ...(state === undefined ? {} : { state }) }
  }
  if (failure) throw failure
}

/** All that is of leases with these marks, beside machines; `failure` is why something may be missing. */
export async function rentedThings(
  settings: AwsSettings,
  region: string,
  marks: { owner: string; lease?: string },
  ctx: Context,
): Promise<{ things: RentedThing[]; failure?: FactoryError }> {
  const paging = { client: settings.clients(region).ec2, pageSize: settings.pageSize ?? 500 }
  const Filters = [...filtersFor(marks), { Name: 'tag-key', Values: [tagName('lease')] }]
  const look = async (of: RentedKind): Promise<RentedThing[]> => {
    const found = await call(`listing ${of.plural}`, region, ctx, (options) =>
      of.list(paging, Filters, options),
    )
    // Filters take `*` in a value for anything.
    return found
      .map(({ id, state, tags }) => ({ of, id, state, marks: marksOf(tags) }))
      .filter((thing) => isOf(thing.marks, marks))
  }
  const looked = await Promise.allSettled(rentedKinds.map(look))
  ctx.signal.throwIfAborted()
  const things = looked.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
  const failed = looked.find((each) => each.status === 'rejected')
  return failed ? { things, failure: asFactoryError(failed.reason) } : { things }
}

function isOf(found: Partial<Marks>, { owner, lease }: { owner: string; lease?: string }): boolean {
  const its = found['lease']
  return found['owner'] === owner && its !== undefined && (lease === undefined || its === lease)
}

function words(marks: Partial<Marks>): Partial<Resource> {
  const { owner, release, arch, lease, expires } = marks
  const all = { owner, release, arch, leaseId: lease, expires }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}
