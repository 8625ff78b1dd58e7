import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  type Part as ListedPart,
  paginateListParts,
} from '@aws-sdk/client-s3'
import type { Context } from '#src/context.ts'
import { type Bucket, bucketCall } from './bucket.ts'
import { awsErrorName } from '../failures.ts'
import { everyItem } from '../pages.ts'

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
  return await bucketCall('listing unfinished uploads', bucket, ctx, (options) =>
    bucket.s3.send(request, options),
  )
}

/** Each part's own sha256 is kept with it, and is how a later run knows which parts it need not send. */
export async function beginUpload(bucket: Bucket, key: string, ctx: Context): Promise<Upload> {
  const request = new CreateMultipartUploadCommand({
    Bucket: bucket.bucket,
    Key: key,
    ChecksumAlgorithm: 'SHA256',
    ContentType: 'application/octet-stream',
  })
  const { UploadId } = await bucketCall(`beginning to send ${key}`, bucket, ctx, (options) =>
    bucket.s3.send(request, options),
  )
  return { key, id: UploadId! }
}

/** The parts that an upload has got, all pages; undefined when the upload is not there (any more). */
export async function listedParts(
  bucket: Bucket,
  { key, id }: Upload,
  ctx: Context,
): Promise<ListedPart[] | undefined> {
  return await bucketCall(`looking at what ${key} has got`, bucket, ctx, async ({ abortSignal }) => {
    const query = { Bucket: bucket.bucket, Key: key, UploadId: id }
    try {
      const pages = paginateListParts({ client: bucket.s3 }, query, { abortSignal })
      return await everyItem(pages, ({ Parts }) => Parts)
    } catch (error) {
      if (awsErrorName(error) === 'NoSuchUpload') return undefined
      throw error
    }
  })
}

/** "Not there" is success. */
export async function abortUpload(bucket: Bucket, { key, id }: Upload, ctx: Context): Promise<void> {
  const request = new AbortMultipartUploadCommand({ Bucket: bucket.bucket, Key: key, UploadId: id })
  await bucketCall(`giving up the upload of ${key}`, bucket, ctx, async (options) => {
    try {
      await bucket.s3.send(request, options)
    } catch (error) {
      if (awsErrorName(error) !== 'NoSuchUpload') throw error
    }
  })
}
