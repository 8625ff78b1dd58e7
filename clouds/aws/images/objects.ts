import {
  DeleteObjectCommand,
  HeadObjectCommand,
  type _Object as ListedObject,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3'
import type { Context } from '#src/context.ts'
import { answered } from '../answer.ts'
import { type Bucket, bucketCall } from './bucket.ts'
import { awsErrorName } from '../failures.ts'
import { everyItem } from '../pages.ts'

/** A complete object in the bucket. */
export interface StoredObject {
  readonly key: string
  readonly sizeBytes: number
  /** Over the digests of its parts, as S3 writes it; undefined when it was not stored with one. */
  readonly checksum?: string
  /** Tells it from any other object that is or was there under its name. */
  readonly identity: string
}

/** All complete objects below a prefix, all pages. */
export async function objectsBelow(bucket: Bucket, prefix: string, ctx: Context): Promise<ListedObject[]> {
  const what = 'listing the bucket'
  return await bucketCall(what, bucket, ctx, async ({ abortSignal }) => {
    const query = { Bucket: bucket.bucket, Prefix: prefix }
    const pages = paginateListObjectsV2({ client: bucket.s3 }, query, { abortSignal })
    return await everyItem(pages, ({ Name, Contents }) => {
      answered(Name, what, bucket.region)
      // Of all listings this one alone says nothing where there is nothing.
      return Contents ?? []
    })
  })
}

/** Undefined when there is none. */
export async function objectAt(bucket: Bucket, key: string, ctx: Context): Promise<StoredObject | undefined> {
  const request = new HeadObjectCommand({ Bucket: bucket.bucket, Key: key, ChecksumMode: 'ENABLED' })
  const what = `looking at ${key}`
  return await bucketCall(what, bucket, ctx, async (options) => {
    try {
      const { ContentLength, ChecksumSHA256, ETag, LastModified } = await bucket.s3.send(request, options)
      const identity = `${answered(ETag, what, bucket.region)} ${LastModified?.toISOString()}`
      return {
        key,
        sizeBytes: ContentLength ?? 0,
        identity,
        ...(ChecksumSHA256 && { checksum: ChecksumSHA256 }),
      }
    } catch (error) {
      if (/^(NotFound|NoSuchKey)$/.test(awsErrorName(error))) return undefined
      throw error
    }
  })
}

/** "Not there" is success, as it is for S3. */
export async function removeObject(bucket: Bucket, key: string, ctx: Context): Promise<void> {
  await bucketCall(`removing ${key}`, bucket, ctx, (options) =>
    bucket.s3.send(new DeleteObjectCommand({ Bucket: bucket.bucket, Key: key }), options),
  )
}
