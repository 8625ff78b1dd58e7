import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { type ImageMarker, imageMarker, maxMarkerBytes } from './image-marker.ts'
import { isUnwritten } from './lease-marks.ts'
import type { Pool } from './pools.ts'
import type { VirshOptions } from './virsh.ts'
import { readSmallVolume } from './volumes.ts'

/**
 * After this nobody works on a publish any more, and what it left half-made may be removed: the engine gives a publish
 * two hours, and one more is for clocks that differ and for a machine that slept meanwhile.
 */
export const publishingMs = 3 * 3_600_000

/** What stands beside an image while it is being made: what it will be, who is at it, and until when at most. */
export type ImageClaim = z.infer<typeof imageClaim>

const imageClaim = imageMarker.extend({
  /** Another one each time: who finds another publisher's here has been overtaken. */
  publisher: z.string().optional(),
  /** RFC 3339. Claims of older factories have neither. */
  expires: z.string().optional(),
})

export function claimOf(marker: ImageMarker, now: number): ImageClaim {
  return { ...marker, publisher: randomUUID(), expires: new Date(now + publishingMs).toISOString() }
}

/** Reads a claim; `unwritten` when its writer was killed before it said anything, undefined when it is missing or foreign. */
export async function readClaim(
  pool: Pool,
  name: string,
  options: VirshOptions,
): Promise<ImageClaim | 'unwritten' | undefined> {
  const text = await readSmallVolume(pool, name, { offset: 0, maxBytes: maxMarkerBytes }, options)
  if (text === undefined) return undefined
  if (isUnwritten(text)) return 'unwritten'
  try {
    return imageClaim.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** Whether a claim is the very one that we wrote. */
export async function isOurClaim(
  pool: Pool,
  name: string,
  ours: ImageClaim,
  options: VirshOptions,
): Promise<boolean> {
  const claim = await readClaim(pool, name, options)
  return typeof claim === 'object' && claim.publisher === ours.publisher
}
