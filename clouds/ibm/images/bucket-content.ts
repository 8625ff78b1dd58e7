import type { ImageKey } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { IbmSettings } from '../settings.ts'
import { imagesOfContent } from './begun.ts'
import type { Bucket } from './bucket.ts'
import { contentPrefix } from './object-keys.ts'
import { objectsBelow, removeObject } from './objects.ts'
import { findImage } from './publish.ts'
import { abortUpload, uploadsBelow } from './uploads.ts'

/** Removes everything that was sent of a content, complete or not, unless somebody elsewhere is at work with it. */
export async function removeUnneeded(
  settings: IbmSettings,
  bucket: Bucket,
  key: Pick<ImageKey, 'owner' | 'sha256'>,
  ctx: Context,
): Promise<void> {
  try {
    if (await isNeeded(settings, bucket, key, ctx)) return
    const prefix = contentPrefix(key)
    for (const object of await objectsBelow(bucket, prefix, ctx)) await removeObject(bucket, object.key, ctx)
    for (const upload of await uploadsBelow(bucket, prefix, ctx)) await abortUpload(bucket, upload, ctx)
  } catch (error) {
    ctx.signal.throwIfAborted()
    // The image is what counts; what stays behind is found by reapers.
    ctx.log(`the bucket keeps what was sent: ${asFactoryError(error).message}`)
  }
}

/** The same, once every region has its image: one that has none yet would have to be sent everything again. */
export async function removeIfDone(
  settings: IbmSettings,
  bucket: Bucket,
  key: ImageKey,
  ctx: Context,
): Promise<void> {
  for (const region of settings.regions) {
    if (!(await findImage(settings, { ...key, region }, ctx))) return
  }
  await removeUnneeded(settings, bucket, key, ctx)
}

/** Whether some region still reads the object, or has an image that only the object shows to be ours. */
export async function isNeeded(
  settings: IbmSettings,
  bucket: Bucket,
  key: Pick<ImageKey, 'owner' | 'sha256'>,
  ctx: Context,
): Promise<boolean> {
  for (const region of settings.regions) {
    const images = await imagesOfContent(settings, bucket, region, key, ctx)
    if (images.some(({ image, marks }) => image.status === 'pending' || marks['owner'] === undefined))
      return true
  }
  return false
}
