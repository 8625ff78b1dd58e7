import { imageGone } from '#clouds/image-gone.ts'
import { isToBeUsed, readMark } from '#clouds/image-mark.ts'
import type { Image, ImageMark } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { isNotFound } from '../failures.ts'
import type { OpenstackSettings } from '../settings.ts'
import { changeImage } from './finish.ts'
import { type GlanceImage, imageById } from './glance.ts'
import { channelProperty, isReady } from './image-properties.ts'

/**
 * Marks an image, and hides it when it is not to be used any more, in one change: Glance does all of it or nothing. Hidden
 * images are in no listing; whoever knows the id can go on with it.
 */
export async function markImage(
  settings: OpenstackSettings,
  image: Image,
  mark: ImageMark,
  ctx: Context,
): Promise<void> {
  const found = await publishedImage(settings, image, ctx)
  if (!found) throw imageGone(image)
  if (found[channelProperty] === mark && isShownAs(mark, found)) return
  try {
    await changeImage(
      settings,
      image.region,
      image.id,
      [
        { op: 'replace', path: '/os_hidden', value: !isToBeUsed(mark) },
        { op: 'add', path: `/${channelProperty}`, value: mark },
      ],
      ctx,
    )
  } catch (error) {
    throw isNotFound(error) ? imageGone(image, error) : error
  }
}

/** The mark of an image that is hidden, or is not, as that wants it. */
export async function markOf(
  settings: OpenstackSettings,
  image: Image,
  ctx: Context,
): Promise<ImageMark | undefined> {
  const found = await publishedImage(settings, image, ctx)
  const mark = readMark(found?.[channelProperty])
  return found && mark !== undefined && isShownAs(mark, found) ? mark : undefined
}

/** One that was put aside, because it could not be removed, is gone. */
async function publishedImage(
  settings: OpenstackSettings,
  { region, id, sha256 }: Image,
  ctx: Context,
): Promise<GlanceImage | undefined> {
  const found = await imageById(settings, region, id, ctx)
  return found && isReady(found) && found['factory_sha256'] === sha256 ? found : undefined
}

function isShownAs(mark: ImageMark, { os_hidden: isHidden = false }: GlanceImage): boolean {
  return isHidden !== isToBeUsed(mark)
}
