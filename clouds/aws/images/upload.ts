import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type Part as ListedPart,
} from '@aws-sdk/client-s3'
import type { ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { answered } from '../answer.ts'
import { type Bucket, bucketCall } from './bucket.ts'
import { uploadGone } from './bucket-failures.ts'
import { contentPrefix, objectKey } from './bucket-keys.ts'
import { awsErrorName } from '../failures.ts'
import { type StoredObject, objectAt, objectsBelow } from './objects.ts'
import { createPace } from '#clouds/pace.ts'
import { checksumOfParts, digestOfPart, partsOf } from '#clouds/file-parts.ts'
import { type PartStore, sendParts } from '#clouds/send-parts.ts'
import { putPart } from './put-part.ts'
import { type Upload, beginUpload, listedParts, uploadsBelow } from './uploads.ts'

/** More fill no line; each holds some hundred kilobytes of its file in memory. */
const mostPartsAtOnce = 8

/** The artifact as an object in the bucket: one that is there is taken, an upload that was begun is gone on with. */
export async function uploadArtifact(
  bucket: Bucket,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<StoredObject> {
  const prefix = contentPrefix(key)
  const [whole] = await objectsBelow(bucket, prefix, ctx)
  if (whole?.Key !== undefined) return await theObject(bucket, whole.Key, artifact, ctx)
  const [begun] = await uploadsBelow(bucket, prefix, ctx)
  const there = begun && (await listedParts(bucket, begun, ctx))
  const upload = begun && there ? begun : await beginUpload(bucket, objectKey(key), ctx)
  const sent = await sendParts(partStore(bucket, upload, artifact, there ?? []), artifact, ctx)
  const parts = sent.map(({ number, tag, digest }) => ({
    PartNumber: number,
    ETag: tag,
    ChecksumSHA256: digest.toString('base64'),
  }))
  await complete(bucket, upload, parts, ctx)
  return await theObject(bucket, upload.key, artifact, ctx, checksumOfParts(sent.map(({ digest }) => digest)))
}

function partStore(
  bucket: Bucket,
  upload: Upload,
  { path }: Artifact,
  there: readonly ListedPart[],
): PartStore {
  const target = { bucket, upload, pace: createPace(mostPartsAtOnce) }
  const before = new Map(there.map((part) => [part.PartNumber, part]))
  return {
    algorithm: 'sha256',
    pace: target.pace,
    place: `the bucket ${bucket.bucket}`,
    known({ number }, digest) {
      const part = before.get(number)
      return part?.ChecksumSHA256 === digest.toString('base64') ? part.ETag : undefined
    },
    put: (part, digest, ctx) => putPart(target, path, part, digest, ctx),
  }
}

async function complete(bucket: Bucket, upload: Upload, Parts: CompletedPart[], ctx: Context): Promise<void> {
  const request = new CompleteMultipartUploadCommand({
    Bucket: bucket.bucket,
    Key: upload.key,
    UploadId: upload.id,
    MultipartUpload: { Parts },
    IfNoneMatch: '*',
  })
  const what = `completing ${upload.key}`
  await bucketCall(what, bucket, ctx, async (options) => {
    try {
      const { ETag } = await bucket.s3.send(request, options)
      answered(ETag, what, bucket.region)
    } catch (error) {
      // Done already, by a call whose answer was lost or by somebody else: the look at the object that follows tells.
      if (!/^(PreconditionFailed|NoSuchUpload)$/.test(awsErrorName(error))) throw error
    }
  })
}

/** The object under the key, when it holds the artifact's bytes. */
async function theObject(
  bucket: Bucket,
  key: string,
  artifact: Artifact,
  ctx: Context,
  checksum?: string,
): Promise<StoredObject> {
  const found = await objectAt(bucket, key, ctx)
  if (!found) throw uploadGone(`sending ${key}`, bucket)
  const isWhole = found.sizeBytes === artifact.sizeBytes
  if (isWhole && found.checksum === (checksum ?? (await checksumOf(artifact, ctx)))) return found
  throw new FactoryError({
    code: 'aws-object-differs',
    message: `s3://${bucket.bucket}/${key} is not the disk that its name says, or was not put there by the factory`,
    hint: `Look who else writes to the bucket, remove it (aws s3 rm s3://${bucket.bucket}/${key}), and run the same command again.`,
    class: 'user',
  })
}

async function checksumOf(artifact: Artifact, ctx: Context): Promise<string> {
  ctx.emit({ message: 'comparing the disk with what is in the bucket already' })
  const digests: Buffer[] = []
  for (const part of partsOf(artifact.sizeBytes))
    digests.push(await digestOfPart(artifact.path, part, ctx.signal))
  return checksumOfParts(digests)
}
