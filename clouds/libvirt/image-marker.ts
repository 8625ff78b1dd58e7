import { z } from 'zod'
import { architectureNames } from '#arch/index.ts'
import type { Image, ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Pool } from './pools.ts'
import type { VirshOptions } from './virsh.ts'
import { findVolume, readSmallVolume } from './volumes.ts'

/**
 * What stands in the small volume beside an image. libvirt keeps no descriptions of volumes and cannot rename them,
 * so this file is both: it says what the volume holds, and only when it is there, written last, the image is complete.
 */
export type ImageMarker = z.infer<typeof imageMarker>

export const imageMarker = z.object({
  'image-factory': z.literal(1),
  owner: z.string(),
  release: z.string(),
  name: z.string(),
  arch: z.enum(architectureNames),
  format: z.enum(['raw', 'qcow2']),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  sizeBytes: z.int().nonnegative(),
  /** Images of older factories have none. */
  origin: z
    .object({
      releaseKey: z.string(),
      buildKey: z.string(),
      identity: z.string(),
      imageName: z.string(),
      pushedDigest: z.string().exactOptional(),
    })
    .optional(),
})

export const maxMarkerBytes = 8192

export interface ImageVolumeNames {
  /** The image itself. */
  volume: string
  /** Written last: the image is complete. */
  marker: string
  /** Written first: the volume without a marker is ours and may be made anew. */
  claim: string
}

/** The volume's name carries the start of the content's digest, so that what has this name can only be this content. */
export function imageVolumeNames(key: Pick<ImageKey, 'name' | 'sha256' | 'format'>): ImageVolumeNames {
  const stem = key.name.replaceAll(/[^A-Za-z0-9._-]/g, '-')
  return besideVolume(`${stem}-${key.sha256.slice(0, 12)}.${key.format}`)
}

/** The names that go with the volume of an image. */
export function besideVolume(volume: string): ImageVolumeNames {
  return { volume, marker: `${volume}.json`, claim: `${volume}.part` }
}

/** The image volume that a volume of this name would be the marker or the claim of. */
export function volumeOf(part: 'marker' | 'claim', name: string): string | undefined {
  const [, volume, ending] = /^(.+-[0-9a-f]{12}\.(?:raw|qcow2))\.(json|part)$/.exec(name) ?? []
  return ending === (part === 'marker' ? 'json' : 'part') ? volume : undefined
}

export function markerOf(key: ImageKey, artifact: Artifact): ImageMarker {
  const { owner, release, name, arch, format, sha256, origin } = key
  const sizeBytes = artifact.virtualBytes
  return { 'image-factory': 1, owner, release, name, arch, format, sha256, sizeBytes, origin }
}

export function markerToJson(marker: ImageMarker): string {
  return `${JSON.stringify(marker, undefined, 2)}\n`
}

/** Reads a marker from a pool; undefined when it is missing, half-written or something else. */
export async function readMarker(
  pool: Pool,
  name: string,
  options: VirshOptions,
): Promise<ImageMarker | undefined> {
  const text = await readSmallVolume(pool, name, { offset: 0, maxBytes: maxMarkerBytes }, options)
  if (text === undefined) return undefined
  try {
    return imageMarker.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** The marker of an image that is there and whole; undefined for everything else. */
export async function readComplete(
  pool: Pool,
  volume: string,
  options: VirshOptions,
): Promise<ImageMarker | undefined> {
  const marker = await readMarker(pool, besideVolume(volume).marker, options)
  if (!marker) return undefined
  const found = await findVolume(pool, volume, options)
  return found?.capacityBytes === marker.sizeBytes ? marker : undefined
}

export function imageFromMarker(cloud: string, pool: Pool, volume: string, marker: ImageMarker): Image {
  const { arch, format, sha256, sizeBytes, release, origin } = marker
  const { region } = pool.hypervisor
  const id = `${pool.path}/${volume}`
  const image = { cloud, kind: 'libvirt', region, arch, id, name: volume, format, sha256, sizeBytes } as const
  return { ...image, release, ...(origin === undefined ? {} : { origin }) }
}
