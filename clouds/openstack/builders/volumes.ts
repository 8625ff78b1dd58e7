import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { hasService } from '../catalogue.ts'
import { isNotFound, statusOf } from '../failures.ts'
import { type Marks, isOf, marksOf } from '../marks.ts'
import { everyItem } from '../pages.ts'
import type { OpenstackSettings } from '../settings.ts'
import { type VolumeRole, resourceName } from './names.ts'

/** https://docs.openstack.org/api-ref/block-storage/v3/#show-a-volume-s-details */
export const cinderVolume = z.object({
  id: z.string(),
  name: z.string().nullish(),
  status: z.string(),
  size: z.number(),
  created_at: z.string(),
  metadata: z.record(z.string(), z.string()).default({}),
})

/** A volume of ours as Cinder tells of it. */
export interface Volume {
  id: string
  name: string
  /** As Cinder writes it: creating, available, in-use, deleting, error … */
  state: string
  sizeGib: number
  marks: Partial<Marks>
  createdAt: number
}

/** The volumes of a lease in every state. */
export async function volumesOfLease(
  settings: OpenstackSettings,
  leaseId: string,
  ctx: Context,
): Promise<Volume[]> {
  const roles: VolumeRole[] = ['data', 'root']
  const found = await Promise.all(
    roles.map((role) => list(settings, { name: resourceName(leaseId, role) }, ctx)),
  )
  return found.flat().filter(({ marks }) => isOf(marks, { owner: settings.owner, lease: leaseId }))
}

/** All volumes of leases of an owner. */
export async function volumesOfOwner(
  settings: OpenstackSettings,
  owner: string,
  ctx: Context,
): Promise<Volume[]> {
  return (await list(settings, {}, ctx)).filter(({ marks }) => isOf(marks, { owner }))
}

/** One volume; undefined when Cinder does not know it any more. */
export async function volumeById(
  { session, configuration: { region } }: OpenstackSettings,
  id: string,
  ctx: Context,
): Promise<Volume | undefined> {
  const request = {
    service: 'volume',
    region,
    what: `looking at the volume ${id}`,
    path: `/volumes/${id}`,
  } as const
  try {
    return volumeFrom((await session.json(request, z.object({ volume: cinderVolume }), ctx)).volume)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/** Removes a volume, when its state allows that; "not there" is success, and one that is in use is for the next look. */
export async function deleteVolume(
  { session, configuration: { region } }: OpenstackSettings,
  { id, state }: Volume,
  ctx: Context,
): Promise<void> {
  if (state === 'deleting') return
  if (state === 'error_deleting') throw notRemovable(id, region)
  const what = `removing the volume ${id}`
  try {
    await session.send({ service: 'volume', region, what, method: 'DELETE', path: `/volumes/${id}` }, ctx)
  } catch (error) {
    if (!isNotFound(error) && statusOf(error) !== 400) throw error
  }
}

/** Whether the configuration makes volumes; a cloud that has none of them may lack the whole service. */
export function needsVolumes({ configuration }: OpenstackSettings): boolean {
  return configuration.dataDisk === 'volume' || configuration.rootVolume !== undefined
}

export function volumeFrom({
  id,
  name,
  status,
  size,
  created_at,
  metadata,
}: z.infer<typeof cinderVolume>): Volume {
  const createdAt = Date.parse(/Z|[+-]\d\d:\d\d$/.test(created_at) ? created_at : `${created_at}Z`)
  return { id, name: name ?? '', state: status, sizeGib: size, marks: marksOf(metadata), createdAt }
}

/** Cinder refuses to remove such a volume once more; nothing but its operators helps. */
function notRemovable(id: string, region: string): FactoryError {
  return new FactoryError({
    code: 'openstack-volume-failed',
    message: `the volume ${id} in ${region} is error_deleting: Cinder tried to remove it and could not`,
    hint: `Ask who runs the cloud to remove it (openstack volume set --state available ${id}), then run factory reap.`,
    class: 'infra',
  })
}

async function list(
  settings: OpenstackSettings,
  query: Record<string, string>,
  ctx: Context,
): Promise<Volume[]> {
  const { region } = settings.configuration
  const { catalogue } = await settings.session.token(ctx)
  const { interface: which = 'public' } = await settings.session.identity()
  if (!needsVolumes(settings) && !hasService(catalogue, 'volume', region, which)) return []
  const what = 'looking at volumes'
  const listing = {
    service: 'volume',
    region,
    what,
    path: '/volumes/detail',
    query,
    collection: 'volumes',
  } as const
  return (await everyItem(settings, { ...listing, item: cinderVolume }, ctx)).map(volumeFrom)
}
