import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { offersService } from '../catalogue.ts'
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
  /** Of the image that it was made from; there for no others. */
  volume_image_metadata: z.object({ image_id: z.string().optional() }).optional(),
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

/** The ids of the volumes of the project that were made from an image, whoever made them. */
export async function volumesFromImage(
  settings: OpenstackSettings,
  region: string,
  imageId: string,
  ctx: Context,
): Promise<string[]> {
  if (!(await offersService(settings, 'volume', region, ctx))) return []
  const found = await listVolumes(settings, region, {}, ctx)
  return found.flatMap((each) => (each.volume_image_metadata?.image_id === imageId ? [each.id] : []))
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
  if (!needsVolumes(settings) && !(await offersService(settings, 'volume', region, ctx))) return []
  return (await listVolumes(settings, region, query, ctx)).map(volumeFrom)
}

async function listVolumes(
  settings: OpenstackSettings,
  region: string,
  query: Record<string, string>,
  ctx: Context,
): Promise<z.infer<typeof cinderVolume>[]> {
  const what = 'looking at volumes'
  const listing = {
    service: 'volume',
    region,
    what,
    path: '/volumes/detail',
    query,
    collection: 'volumes',
  } as const
  return await everyItem(settings, { ...listing, item: cinderVolume }, ctx)
}
