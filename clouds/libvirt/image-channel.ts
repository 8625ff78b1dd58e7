import { imageGone } from '#clouds/image-gone.ts'
import { readMark } from '#clouds/image-mark.ts'
import type { Image, ImageMark } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { readComplete } from './image-marker.ts'
import type { Pool } from './pools.ts'
import { createVolume, deleteVolume, volumeNames } from './volumes.ts'

/** Beside an image, an empty volume whose name says the image's place in the channels. */
interface ChannelVolume {
  readonly name: string
  readonly mark: ImageMark
  /** The latest counts. */
  readonly number: number
}

/**
 * Marks an image. A volume cannot be renamed or written over in one go, but an empty one is there or not there: the new
 * mark is made first, with a higher number than the old ones, which go afterwards. So there is always one that counts.
 */
export async function markImage(pool: Pool, image: Image, mark: ImageMark, ctx: Context): Promise<void> {
  if (!(await isThere(pool, image, ctx))) throw imageGone(image)
  const known = channelVolumes(await volumeNames(pool, ctx), image.name)
  const newest = known.at(-1)
  let current = newest
  if (newest?.mark !== mark) {
    const number = (newest?.number ?? 0) + 1
    current = { name: `${image.name}.channel-${number}-${mark}`, mark, number }
    await createVolume(pool, { name: current.name, capacityBytes: 0, format: 'raw' }, ctx)
    // One that was removed meanwhile leaves no mark to the next of its name.
    if (!(await isThere(pool, image, ctx))) {
      await deleteVolume(pool, current.name, ctx)
      throw imageGone(image)
    }
  }
  for (const { name } of known) if (name !== current?.name) await deleteVolume(pool, name, ctx)
}

/** The mark of an image that is there and whole. */
export async function markOf(pool: Pool, image: Image, ctx: Context): Promise<ImageMark | undefined> {
  if (!(await isThere(pool, image, ctx))) return undefined
  return channelVolumes(await volumeNames(pool, ctx), image.name).at(-1)?.mark
}

/** The volumes among the names of a pool that say something of the channel of an image volume, the one that counts last. */
export function channelVolumes(names: readonly string[], volume: string): ChannelVolume[] {
  return names
    .filter((name) => channelVolumeOf(name) === volume)
    .flatMap((name) => {
      const [, number = '', word] = /\.channel-(\d+)-(\w+)$/.exec(name) ?? []
      const mark = readMark(word)
      return mark === undefined ? [] : [{ name, mark, number: Number(number) }]
    })
    .toSorted((a, b) => a.number - b.number)
}

/** The image volume that a volume of this name would say the channel of. */
export function channelVolumeOf(name: string): string | undefined {
  return /^(.+-[0-9a-f]{12}\.(?:raw|qcow2))\.channel-\d+-\w+$/.exec(name)?.[1]
}

async function isThere(pool: Pool, { name, sha256 }: Image, ctx: Context): Promise<boolean> {
  return (await readComplete(pool, name, ctx))?.sha256 === sha256
}
