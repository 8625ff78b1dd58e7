import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  type Part as ListedPart,
} from '@aws-sdk/client-s3'
import type { Context } from '#src/context.ts'
import { answered } from '../answer.ts'
import { type Bucket, bucketCall } from './bucket.ts'
import { awsErrorName } from '../failures.ts'

/** A multipart upload that is not complete. */
export interface Upload {
  readonly key: string
  readonly id: string
  /** Undefined where the store does not tell. */
  readonly startedAt?: Date
}

/** All incomplete uploads below a prefix, the oldest first, all pages; the SDK turns none of these. */
export async function uploadsBelow(bucket: Bucket, prefix: string, ctx: Context): Promise<Upload[]> {
  const uploads: Upload[] = []
  let page: ListMultipartUploadsCommandOutput | undefined
  do {
    page = await uploadsPage(bucket, prefix, page, ctx)
    for (const { Key: key, UploadId: id, Initiated } of page.Uploads ?? []) {
      if (key && id) uploads.push({ key, id, ...(Initiated && { startedAt: Initiated }) })
    }
  } while (page.IsTruncated && page.NextKeyMarker)
  return uploads.toSorted((a, b) => (a.startedAt?.getTime() ?? 0) - (b.startedAt?.getTime() ?? 0))
}

async function uploadsPage(
  bucket: Bucket,
  prefix: string,
  before: ListMultipartUploadsCommandOutput | undefined,
  ctx: Context,
): Promise<ListMultipartUploadsCommandOutput> {
  const request = new ListMultipartUploadsCommand({
    Bucket: bucket.bucket,
    Prefix: prefix,
    ...(before?.NextKeyMarker && { KeyMarker: before.NextKeyMarker }),
    ...(before?.NextUploadIdMarker && { UploadIdMarker: before.NextUploadIdMarker }),
  })
  const what = 'listing unfinished uploads'
  return await bucketCall(what, bucket, ctx, async (options) => {
    const page = await bucket.s3.send(request, options)
    answered(page.Bucket, what, bucket.region)
    return page
  })
}

/** Each part's own sha256 is kept with it, and is how a later run knows which parts it need not send. */
export async function beginUpload(bucket: Bucket, key: string, ctx: Context): Promise<Upload> {
  const request = new CreateMultipartUploadCommand({
    Bucket: bucket.bucket,
    Key: key,
    ChecksumAlgorithm: 'SHA256',
    ContentType: 'application/octet-stream',
  })
  const what = `beginning to send ${key}`
  const id = await bucketCall(what, bucket, ctx, async (options) => {
    const { UploadId } = await bucket.s3.send(request, options)
    return answered(UploadId, what, bucket.region)
  })
  return { key, id }
}

/**
 * The parts that an upload has got, all pages; undefined when the upload is not there (any more). The SDK's own paginator
 * takes the marker of the last page for one more page, and would go round for ever.
 */
export async function listedParts(
  bucket: Bucket,
  { key, id }: Upload,
  ctx: Context,
): Promise<ListedPart[] | undefined> {
  const what = `looking at what ${key} has got`
  const parts: ListedPart[] = []
  let marker: string | undefined
  do {
    const request = new ListPartsCommand({
      Bucket: bucket.bucket,
      Key: key,
      UploadId: id,
      ...(marker && { PartNumberMarker: marker }),
    })
    const page = await bucketCall(what, bucket, ctx, (options) =>
      orGone(async () => {
        const answer = await bucket.s3.send(request, options)
        answered(answer.UploadId, what, bucket.region)
        return answer
      }),
    )
    if (!page) return undefined
    parts.push(...(page.Parts ?? []))
    marker = page.IsTruncated ? page.NextPartNumberMarker : undefined
  } while (marker)
  return parts
}

/** "Not there" is success. */
export async function abortUpload(bucket: Bucket, { key, id }: Upload, ctx: Context): Promise<void> {
  const request = new AbortMultipartUploadCommand({ Bucket: bucket.bucket, Key: key, UploadId: id })
  await bucketCall(`giving up the upload of ${key}`, bucket, ctx, (options) =>
    orGone(() => bucket.s3.send(request, options)),
  )
}

async function orGone<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look()
  } catch (error) {
    if (awsErrorName(error) === 'NoSuchUpload') return undefined
    throw error
  }
}
