import type { ImageKey } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import type { Bucket } from './bucket.ts'
import { contentPrefix } from './bucket-keys.ts'
import { objectsBelow, removeObject } from './objects.ts'
import { abortUpload, uploadsBelow } from './uploads.ts'

/** Removes everything that was sent of a content, complete or not. */
export async function removeContent(
  bucket: Bucket,
  key: Pick<ImageKey, 'owner' | 'sha256'>,
  ctx: Context,
): Promise<void> {
  const prefix = contentPrefix(key)
  for (const { Key } of await objectsBelow(bucket, prefix, ctx)) await removeObject(bucket, Key!, ctx)
  for (const upload of await uploadsBelow(bucket, prefix, ctx)) await abortUpload(bucket, upload, ctx)
}
