import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  type Part as ListedPart,
} from '@aws-sdk/client-s3'
import type { Context } from '#src/context.ts'
import { unreadableAnswer } from '../failures.ts'
import { type Bucket, bucketCall } from './bucket.ts'

/** A multipart upload that is not complete; it is kept, and paid for, until somebody gives it up. */
export interface Upload {
  readonly key: string
  readonly id: string
  readonly startedAt?: Date
}

type Quick = Pick<Context, 'signal'>

/** All incomplete uploads whose names begin so, the oldest first, all pages; the SDK turns none of these. */
export async function uploadsBelow(bucket: Bucket, prefix: string, ctx: Quick): Promise<Upload[]> {
  const what = 'listing unfinished uploads'
  const uploads: Upload[] = []
  let page: ListMultipartUploadsCommandOutput | undefined
  do {
    const request = new ListMultipartUploadsCommand({
      Bucket: bucket.name,
      Prefix: prefix,
      ...(page?.NextKeyMarker && { KeyMarker: page.NextKeyMarker }),
      ...(page?.NextUploadIdMarker && { UploadIdMarker: page.NextUploadIdMarker }),
    })
    page = await bucketCall(what, bucket, ctx, async (options) => {
      const answer = await bucket.s3.send(request, options)
      if (answer.Bucket === undefined) throw unreadableAnswer(what, bucket.region)
      return answer
    })
    for (const { Key: key, UploadId: id, Initiated } of page.Uploads ?? []) {
      if (key && id) uploads.push({ key, id, ...(Initiated && { startedAt: Initiated }) })
    }
  } while (page.IsTruncated && page.NextKeyMarker)
  return uploads.toSorted((a, b) => (a.startedAt?.getTime() ?? 0) - (b.startedAt?.getTime() ?? 0))
}

export async function beginUpload(bucket: Bucket, key: string, ctx: Quick): Promise<Upload> {
  const request = new CreateMultipartUploadCommand({
    Bucket: bucket.name,
    Key: key,
    ContentType: 'application/octet-stream',
  })
  const what = `beginning to send ${key}`
  const id = await bucketCall(what, bucket, ctx, async (options) => {
    const { UploadId } = await bucket.s3.send(request, options)
    if (UploadId === undefined) throw unreadableAnswer(what, bucket.region)
    return UploadId
  })
  return { key, id }
}

/** The parts that an upload has got, all pages; undefined when the upload is not there (any more). */
export async function listedParts(
  bucket: Bucket,
  { key, id }: Upload,
  ctx: Quick,
): Promise<ListedPart[] | undefined> {
  const what = `looking at what ${key} has got`
  const parts: ListedPart[] = []
  let marker: string | undefined
  do {
    const request = new ListPartsCommand({
      Bucket: bucket.name,
      Key: key,
      UploadId: id,
      ...(marker && { PartNumberMarker: marker }),
    })
    const page = await bucketCall(what, bucket, ctx, (options) =>
      orGone(async () => {
        const answer = await bucket.s3.send(request, options)
        if (answer.UploadId === undefined) throw unreadableAnswer(what, bucket.region)
        return answer
      }),
    )
    if (!page) return undefined
    parts.push(...(page.Parts ?? []))
    marker = page.IsTruncated ? page.NextPartNumberMarker : undefined
  } while (marker)
  return parts
}

/** When the last part came, or else the upload began; undefined when it is complete or gone meanwhile. */
export async function lastMoved(bucket: Bucket, upload: Upload, ctx: Quick): Promise<Date | undefined> {
  const parts = await listedParts(bucket, upload, ctx)
  if (!parts) return undefined
  const times = [upload.startedAt, ...parts.map(({ LastModified }) => LastModified)]
  return new Date(Math.max(...times.map((time) => time?.getTime() ?? 0)))
}

/** Makes the object of its parts. Done already, by a call whose answer was lost or by somebody else, is success: the look at the object tells. */
export async function completeUpload(
  bucket: Bucket,
  { key, id }: Upload,
  Parts: CompletedPart[],
  ctx: Quick,
): Promise<void> {
  const request = new CompleteMultipartUploadCommand({
    Bucket: bucket.name,
    Key: key,
    UploadId: id,
    MultipartUpload: { Parts },
  })
  const what = `completing ${key}`
  await bucketCall(what, bucket, ctx, (options) =>
    orGone(async () => {
      const { ETag } = await bucket.s3.send(request, options)
      if (ETag === undefined) throw unreadableAnswer(what, bucket.region)
    }),
  )
}

/** "Not there" is success. */
export async function abortUpload(bucket: Bucket, { key, id }: Upload, ctx: Quick): Promise<void> {
  const request = new AbortMultipartUploadCommand({ Bucket: bucket.name, Key: key, UploadId: id })
  await bucketCall(`giving up the upload of ${key}`, bucket, ctx, (options) =>
    orGone(() => bucket.s3.send(request, options)),
  )
}

async function orGone<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchUpload') return undefined
    throw error
  }
}
