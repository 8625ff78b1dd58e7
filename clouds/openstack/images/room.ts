import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { formatBytes } from '#src/units.ts'
import { isNotFound, statusOf } from '../failures.ts'
import type { OpenstackSettings } from '../settings.ts'

const mebibyte = 1024 ** 2
const amount = z.object({ limit: z.number(), usage: z.number() })
const usage = z.object({ usage: z.record(z.string(), amount) })

export interface Room {
  /** What is left of the quota for images, in bytes; undefined where there is none. */
  bytes: number | undefined
  images: number | undefined
}

/** What quotas leave for images; undefined where this Glance has none or tells nobody. */
export async function roomForImages(
  { session }: OpenstackSettings,
  region: string,
  ctx: Context,
): Promise<Room | undefined> {
  const request = {
    service: 'image',
    region,
    what: 'asking for the quota of images',
    path: '/info/usage',
  } as const
  try {
    const { usage: all } = await session.json(request, usage, ctx)
    const left = (name: string) => {
      const found = all[name]
      return found === undefined || found.limit < 0 ? undefined : Math.max(0, found.limit - found.usage)
    }
    const total = left('image_size_total')
    return { bytes: total === undefined ? undefined : total * mebibyte, images: left('image_count_total') }
  } catch (error) {
    if (isNotFound(error) || statusOf(error) === 403) return undefined
    throw error
  }
}

/** Throws, class quota, when an image of this size would not be taken. Asks Glance something in any case. */
export async function assertRoom(
  settings: OpenstackSettings,
  region: string,
  sizeBytes: number,
  ctx: Context,
): Promise<void> {
  const room = await roomForImages(settings, region, ctx)
  if (!room) return
  const { bytes, images } = room
  if (images !== 0 && (bytes === undefined || bytes >= sizeBytes)) return
  const left = images === 0 ? 'no further image' : `${formatBytes(bytes!)} of images`
  throw new FactoryError({
    code: 'openstack-quota',
    message: `the quota of the project in ${region} leaves room for ${left}, and ${formatBytes(sizeBytes)} are needed`,
    hint: 'Remove images that are not needed (factory images), or ask who runs the cloud for more.',
    class: 'quota',
  })
}
