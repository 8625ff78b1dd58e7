import { imageGone } from '#clouds/image-gone.ts'
import { channelMark, readMark } from '#clouds/image-mark.ts'
import type { Image, ImageMark } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import type { Marks } from '../marks.ts'
import type { IbmSettings } from '../settings.ts'
import { attachMarks, readMarks } from '../tags.ts'
import { wasUsable } from './image-marks.ts'
import { isLifecycleOf, liveAs } from './lifecycle.ts'
import { type VpcImage, imageById } from './vpc-images.ts'

/**
 * Marks an image: its status first, the tag last, so that one whose marking was cut off does not look marked. Nothing is
 * made obsolete: a deprecated image still starts machines, an obsolete one breaks those who have not moved on.
 */
export async function markImage(
  settings: IbmSettings,
  image: Image,
  mark: ImageMark,
  ctx: Context,
): Promise<void> {
  const found = await publishedImage(settings, image, ctx)
  if (!found) throw imageGone(image)
  const { vpcImage, marks } = found
  await liveAs(settings, image, vpcImage, mark, ctx)
  if (marks[channelMark] !== mark) await attachMarks(settings, [vpcImage.crn], { [channelMark]: mark }, ctx)
}

/** The mark whose tag an image bears, when its status is what that wants. */
export async function markOf(
  settings: IbmSettings,
  image: Image,
  ctx: Context,
): Promise<ImageMark | undefined> {
  const found = await publishedImage(settings, image, ctx)
  const mark = readMark(found?.marks[channelMark])
  if (!found || mark === undefined) return undefined
  return isLifecycleOf(mark, found.vpcImage, settings.configuration, ctx.now()) ? mark : undefined
}

async function publishedImage(
  settings: IbmSettings,
  { id, region, sha256 }: Image,
  ctx: Context,
): Promise<{ vpcImage: VpcImage; marks: Partial<Marks> } | undefined> {
  const vpcImage = await imageById(settings, region, id, ctx)
  if (!vpcImage) return undefined
  const marks = await readMarks(settings, vpcImage.crn, ctx)
  return marks['sha256'] === sha256 && wasUsable(vpcImage, marks) ? { vpcImage, marks } : undefined
}
