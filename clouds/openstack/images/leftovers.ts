import type { Resource } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import type { OpenstackSettings } from '../settings.ts'
import { type GlanceImage, imageById, imagesWith } from './glance.ts'
import { readyProperty } from './image-properties.ts'
import { deleteImage } from './remove.ts'

/**
 * After this nobody works on a publish any more: the engine gives one two hours, and one more is for clocks that differ
 * and for a machine that slept meanwhile.
 */
const publishingMs = 3 * 3_600_000

/** Images of an owner that never became ready, or were put aside because they could not be removed. */
export async function* findLeftovers(
  settings: OpenstackSettings,
  region: string,
  owner: string,
  ctx: Context,
): AsyncIterable<Resource> {
  for (const image of await imagesWith(settings, region, { factory_owner: owner }, ctx)) {
    if (image[readyProperty] === undefined) yield leftover(image, region, owner)
  }
}

/** Removes a leftover, unless it has become an image meanwhile. */
export async function discardLeftover(
  settings: OpenstackSettings,
  { id, region }: Resource,
  ctx: Context,
): Promise<void> {
  const image = await imageById(settings, region, id, ctx)
  if (image && image[readyProperty] === undefined) await deleteImage(settings, region, id, ctx)
}

/** Milliseconds since the epoch when surely nobody works on an image any more. */
export function overAtMs({ updated_at }: Pick<GlanceImage, 'updated_at'>): number {
  return Date.parse(updated_at) + publishingMs
}

function leftover(image: GlanceImage, region: string, owner: string): Resource {
  const { id, status } = image
  const word = (name: string) => (typeof image[name] === 'string' ? String(image[name]) : undefined)
  const release = word('factory_release')
  const arch = word('factory_arch')
  return {
    kind: 'image',
    id,
    region,
    owner,
    state: status,
    expires: new Date(overAtMs(image)).toISOString(),
    ...(release === undefined ? {} : { release }),
    ...(arch === undefined ? {} : { arch }),
  }
}
