import { createHash } from 'node:crypto'
import type { Part as ListedPart } from '@aws-sdk/client-s3'
import { digestOfPart, partsOf } from '#clouds/file-parts.ts'
import { createPace } from '#clouds/pace.ts'
import { type PartStore, sendParts } from '#clouds/send-parts.ts'
import type { ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import type { Bucket } from './bucket.ts'
import { uploadGone } from './bucket-failures.ts'
import { contentPrefix, objectKey } from './object-keys.ts'
import { type StoredObject, objectAt, objectsBelow } from './objects.ts'
import { putPart } from './put-part.ts'
import { type Upload, beginUpload, completeUpload, listedParts, uploadsBelow } from './uploads.ts'

/** More fill no line; each holds some hundred kilobytes of its file in memory. */
const mostPartsAtOnce = 8

/**
 * The artifact as an object in the bucket: one that is there is taken, an upload that was begun is gone on with. What
 * cannot be compared, as in a bucket with a key of its owner's, is sent anew; in the end VPC says what it has read.
 */
export async function uploadArtifact(
  bucket: Bucket,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<StoredObject> {
  const prefix = contentPrefix(key)
  for (const object of await objectsBelow(bucket, prefix, ctx)) {
    if (object.sizeBytes === artifact.sizeBytes && object.tag === (await tagOf(artifact, ctx))) return object
  }
  const [begun] = await uploadsBelow(bucket, prefix, ctx)
  const there = begun && (await listedParts(bucket, begun, ctx))
  const upload = begun && there ? begun : await beginUpload(bucket, objectKey(key), ctx)
  const sent = await sendParts(partStore(bucket, upload, artifact, there ?? []), artifact, ctx)
  const parts = sent.map(({ number, tag }) => ({ PartNumber: number, ETag: tag }))
  await completeUpload(bucket, upload, parts, ctx)
  const object = await objectAt(bucket, upload.key, ctx)
  if (object?.sizeBytes === artifact.sizeBytes) return object
  throw uploadGone(`sending ${upload.key}`, bucket)
}

function partStore(
  bucket: Bucket,
  upload: Upload,
  { path }: Artifact,
  there: readonly ListedPart[],
): PartStore {
  const target = { bucket, upload, pace: createPace(mostPartsAtOnce) }
  const before = new Map(there.map(({ PartNumber, ETag }) => [PartNumber, ETag]))
  return {
    algorithm: 'md5',
    pace: target.pace,
    place: `the bucket ${bucket.name}`,
    known({ number }, digest) {
      const tag = before.get(number)
      return tag?.replaceAll('"', '') === digest.toString('hex') ? tag : undefined
    },
    put: (part, digest, ctx) => putPart(target, path, part, digest, ctx),
  }
}

/** What the store says of an object that was made of the artifact's parts. */
async function tagOf(artifact: Artifact, ctx: Context): Promise<string> {
  ctx.emit({ message: 'comparing the disk with what is in the bucket already' })
  const digest = createHash('md5')
  const parts = partsOf(artifact.sizeBytes)
  for (const part of parts) digest.update(await digestOfPart(artifact.path, part, ctx.signal, 'md5'))
  return `"${digest.digest('hex')}-${parts.length}"`
}
