import type { Image, ImageStore } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { isLost } from './guard.ts'
import { type WantedMark, wantedMarks } from './release-mark.ts'
import { type EngineParts, releaseContext } from './scope.ts'

type Parts = Pick<EngineParts, 'journal' | 'clouds' | 'listener' | 'signal' | 'now' | 'configuration'>

/**
 * Tells every cloud what has become of its images: only where the journal says that it was told something else, and with
 * `repair` also where the cloud itself says something else. What fails is told as a warning and left for the next time;
 * clouds and regions go side by side, in each the images to be used first, so that there is always one. Throws when the
 * engine was taken over, the journal cannot be written or the signal is aborted.
 */
export async function markImages(parts: Parts, options: { repair?: boolean }): Promise<void> {
  const { journal, configuration, signal } = parts
  const wanted = wantedMarks(journal.state(), configuration.require)
  const places = Map.groupBy(wanted, (one) => `${imageOf(one).cloud}\n${imageOf(one).region}`)
  const ends = await Promise.allSettled(
    [...places.values()].map((images) => markPlace(parts, images, options.repair === true)),
  )
  signal.throwIfAborted()
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

/** A failure of one image leaves the others of the place their turn; one of the place itself does not. */
async function markPlace(parts: Parts, images: readonly WantedMark[], repair: boolean): Promise<void> {
  const ctx = releaseContext(parts)
  for (const [at, wanted] of images.entries()) {
    const store = parts.clouds.get(imageOf(wanted).cloud)?.images
    if (!store?.mark) return
    ctx.signal.throwIfAborted()
    parts.journal.assertCurrent()
    try {
      await markOne(parts, store, wanted, repair, ctx)
    } catch (caught) {
      ctx.signal.throwIfAborted()
      const error = asFactoryError(caught)
      if (error.code === 'fenced' || error.code === 'journal-broken' || isLost(ctx.signal)) throw error
      const isOfImage = error.class === 'user'
      warn(parts, wanted, error, isOfImage ? 0 : images.length - at - 1)
      if (!isOfImage) return
    }
  }
}

async function markOne(
  parts: Parts,
  { mark: setMark, marked }: ImageStore,
  wanted: WantedMark,
  repair: boolean,
  ctx: Context,
): Promise<void> {
  const { mark, listings } = wanted
  const image = imageOf(wanted)
  const untold = listings.filter(({ published }) => published.marked !== mark)
  const hasDrifted = repair && untold.length === 0 && (await marked?.(image, ctx)) !== mark
  if (untold.length === 0 && !hasDrifted) return
  await setMark!(image, mark, ctx)
  const { arch, cloud, region, id: imageId } = image
  parts.journal.appendAll(
    untold.map(({ release }) => ({ type: 'image-marked', release, arch, cloud, region, imageId, mark })),
  )
  if (hasDrifted) {
    const message = `${nameOf(image)} was not marked as ${mark} any more; it is again`
    parts.listener({ at: parts.now(), type: 'warning', message, arch })
  }
}

function warn(
  { listener, now }: Parts,
  wanted: WantedMark,
  error: { message: string; hint?: string | undefined },
  others: number,
): void {
  const image = imageOf(wanted)
  const more = others === 0 ? '' : ` The ${others} others there were left for the next time.`
  const message = `${nameOf(image)} could not be marked as ${wanted.mark}: ${error.message}.${more}`
  const hint = error.hint === undefined ? {} : { hint: error.hint }
  listener({ at: now(), type: 'warning', message, arch: image.arch, ...hint })
}

function imageOf({ listings }: WantedMark): Image {
  return listings[0]!.published.image
}

function nameOf({ name, cloud, region }: Image): string {
  return `${name} in ${cloud}/${region}`
}
