import type { Resource } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { type FactoryError, asFactoryError } from '#src/errors.ts'
import { type Marks, marksOf } from '../marks.ts'
import { leaseOfName } from '../names.ts'
import type { IbmSettings } from '../settings.ts'
import { readMarks } from '../tags.ts'
import { everyAddress } from './addresses.ts'
import { everyInstance } from './instances.ts'
import { everyVolume } from './volumes.ts'

/** Something of a lease, known by its name, with the marks that it has got yet. */
export interface RentedThing {
  readonly kind: 'machine' | 'disk' | 'address'
  readonly id: string
  readonly crn: string
  readonly state: string
  readonly leaseId: string
  readonly marks: Partial<Marks>
  readonly createdAt: string
}

/** An end for what was cut off before its marks came and has no companion that bears them: longer than a lease without a heartbeat. */
const unmarkedMs = 24 * 3_600_000

/**
 * Everything of an owner in a region. Marks come a moment after a thing is made, but for volumes, which bear them from the
 * beginning: so what stands on one thing of a lease counts for all of it. A listing that fails does not hide the others.
 */
export async function* findRented(
  settings: IbmSettings,
  region: string,
  owner: string,
  ctx: Context,
): AsyncIterable<Resource> {
  const { things, failure } = await rentedThings(settings, region, owner, ctx)
  const byLease = Map.groupBy(things, ({ leaseId }) => leaseId)
  for (const { kind, id, state, leaseId, marks: own, createdAt } of things) {
    const shared: Partial<Marks> = Object.assign({}, ...byLease.get(leaseId)!.map(({ marks }) => marks))
    const { release, arch, expires } = { ...shared, ...own }
    const end = expires ?? new Date(Date.parse(createdAt) + unmarkedMs).toISOString()
    const words = { ...(release === undefined ? {} : { release }), ...(arch === undefined ? {} : { arch }) }
    yield { kind, id, region, state, owner, leaseId, expires: end, ...words }
  }
  if (failure) throw failure
}

/** All that is of an owner's leases, or of one; `failure` is why something may be missing. */
export async function rentedThings(
  settings: IbmSettings,
  region: string,
  owner: string,
  ctx: Context,
  leaseId?: string,
): Promise<{ things: RentedThing[]; failure?: FactoryError }> {
  const looks = [machines, disks, addresses].map(async (list) => {
    const found = await list(settings, region, ctx)
    const things = found.flatMap(({ name, tags, ...thing }) => {
      const lease = leaseOfName(name, owner)
      const isWanted = lease !== undefined && (leaseId === undefined || lease === leaseId)
      return isWanted ? [{ ...thing, leaseId: lease, tags }] : []
    })
    return await Promise.all(
      things.map(async ({ tags, ...thing }) => {
        const seen = await readMarks(settings, thing.crn, ctx)
        return { ...thing, marks: { ...marksOf(tags), ...seen } }
      }),
    )
  })
  const looked = await Promise.allSettled(looks)
  ctx.signal.throwIfAborted()
  const things = looked.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
  // Another owner may have the same digest; not in this world, but the marks are there to tell.
  const ours = things.filter(({ marks }) => (marks['owner'] ?? owner) === owner)
  const failed = looked.find((each) => each.status === 'rejected')
  return failed ? { things: ours, failure: asFactoryError(failed.reason) } : { things: ours }
}

type Listed = Omit<RentedThing, 'leaseId' | 'marks'> & { name: string; tags: readonly string[] }

async function machines(settings: IbmSettings, region: string, ctx: Context): Promise<Listed[]> {
  return (await everyInstance(settings, region, ctx)).map(
    ({ id, crn, name, status, created_at: createdAt }) => ({
      kind: 'machine',
      id,
      crn,
      name,
      state: status,
      createdAt,
      tags: [],
    }),
  )
}

async function disks(settings: IbmSettings, region: string, ctx: Context): Promise<Listed[]> {
  return (await everyVolume(settings, region, ctx)).map((volume) => ({
    kind: 'disk',
    id: volume.id,
    crn: volume.crn,
    name: volume.name,
    state: volume.status,
    createdAt: volume.created_at,
    tags: volume.user_tags,
  }))
}

async function addresses(settings: IbmSettings, region: string, ctx: Context): Promise<Listed[]> {
  return (await everyAddress(settings, region, ctx)).map(
    ({ id, crn, name, status, created_at: createdAt }) => ({
      kind: 'address',
      id,
      crn,
      name,
      state: status,
      createdAt,
      tags: [],
    }),
  )
}
