import { z } from 'zod'
import type { Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { leaseMarks, metadataOf } from '../marks.ts'
import type { OpenstackSettings } from '../settings.ts'
import { until } from '../wait.ts'
import { lookLonger, makeOnce } from './make-once.ts'
import { type VolumeRole, resourceName } from './names.ts'
import { type Volume, cinderVolume, deleteVolume, volumeById, volumeFrom, volumesOfLease } from './volumes.ts'

const availableLimitMs = 5 * 60_000
const goneLimitMs = 3 * 60_000

export interface VolumeRequest {
  role: VolumeRole
  sizeGib: number
  /** What is on it from the beginning; without one it is empty. */
  imageId?: string
}

/**
 * The volume of a lease for one purpose, ready to be attached: the one that is there already, else a new one. It bears its
 * marks from its creation on, which what Nova itself makes would not.
 */
export async function ensureVolume(
  settings: OpenstackSettings,
  request: VolumeRequest,
  lease: Lease,
  ctx: Context,
): Promise<Volume> {
  const name = resourceName(lease.id, request.role)
  const found = (await volumesOfLease(settings, lease.id, ctx)).filter((each) => each.name === name)
  const usable = oldest(found.filter(isUsable))
  for (const other of found) if (other !== usable) await removeAndWait(settings, other, ctx)
  const volume = usable ?? (await make(settings, request, lease, ctx))
  return await until(`the volume ${volume.id}`, availableLimitMs, ctx, async () => {
    const now = await volumeById(settings, volume.id, ctx)
    if (now?.state === 'available') return now
    if (now && (now.state === 'creating' || now.state === 'downloading')) return undefined
    if (now) await deleteVolume(settings, now, ctx)
    throw failed(volume.id, now?.state ?? 'gone', settings.configuration.region)
  })
}

async function make(
  settings: OpenstackSettings,
  { role, sizeGib, imageId }: VolumeRequest,
  lease: Lease,
  ctx: Context,
): Promise<Volume> {
  const { session, configuration } = settings
  const { region, volumeType, volumeZone } = configuration
  const name = resourceName(lease.id, role)
  const json = {
    volume: {
      name,
      size: sizeGib,
      metadata: metadataOf(leaseMarks(lease)),
      ...(imageId === undefined ? {} : { imageRef: imageId }),
      ...(volumeType === undefined ? {} : { volume_type: volumeType }),
      ...(volumeZone === undefined ? {} : { availability_zone: volumeZone }),
    },
  }
  const what = `making a volume of ${sizeGib} GiB`
  ctx.emit({ message: `${what} in ${region}` })
  return await makeOnce(
    async () => {
      const request = { service: 'volume', region, what, method: 'POST', path: '/volumes', json } as const
      return volumeFrom((await session.json(request, z.object({ volume: cinderVolume }), ctx)).volume)
    },
    () =>
      lookLonger(async () => {
        const all = await volumesOfLease(settings, lease.id, ctx)
        return oldest(all.filter((each) => each.name === name && isUsable(each)))
      }, ctx),
    ctx,
  )
}

async function removeAndWait(settings: OpenstackSettings, volume: Volume, ctx: Context): Promise<void> {
  ctx.log(`removing the volume ${volume.id}, which is ${volume.state}`)
  await deleteVolume(settings, volume, ctx)
  await until(`removing the volume ${volume.id}`, goneLimitMs, ctx, async () =>
    (await volumeById(settings, volume.id, ctx)) ? undefined : true,
  )
}

/** Should there be two, the first stays. */
function oldest(volumes: readonly Volume[]): Volume | undefined {
  return volumes.toSorted((a, b) => a.createdAt - b.createdAt || a.id.localeCompare(b.id))[0]
}

function isUsable({ state }: Volume): boolean {
  return state === 'available' || state === 'creating' || state === 'downloading'
}

function failed(id: string, state: string, region: string): FactoryError {
  return new FactoryError({
    code: 'openstack-volume-failed',
    message: `the volume ${id} in ${region} is ${state} and was never available`,
    hint: 'Run the same command again; if it stays so, try another `volumeType`, or ask who runs the cloud.',
    class: 'infra',
  })
}
