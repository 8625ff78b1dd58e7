import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
} from '@aws-sdk/client-s3'
import type { Context } from '#src/context.ts'
import { unreadableAnswer } from '../failures.ts'
import { type Bucket, bucketCall } from './bucket.ts'

/** A complete object in the bucket. */
export interface StoredObject {
  readonly key: string
  readonly sizeBytes: number
  /** Over the md5 of its parts, in quotes, unless the bucket is encrypted with a key of its owner. */
  readonly tag: string
  readonly storedAt: Date
}

/** All complete objects whose names begin so, all pages. */
export async function objectsBelow(
  bucket: Bucket,
  prefix: string,
  ctx: Pick<Context, 'signal'>,
): Promise<StoredObject[]> {
  const what = 'listing the bucket'
  const objects: StoredObject[] = []
  let token: string | undefined
  do {
    const request = new ListObjectsV2Command({
      Bucket: bucket.name,
      Prefix: prefix,
      ...(token && { ContinuationToken: token }),
    })
    const page: ListObjectsV2CommandOutput = await bucketCall(what, bucket, ctx, async (options) => {
      const answer = await bucket.s3.send(request, options)
      if (answer.Name === undefined) throw unreadableAnswer(what, bucket.region)
      return answer
    })
    for (const { Key: key = '', Size = 0, ETag = '', LastModified = new Date(0) } of page.Contents ?? [])
      objects.push({ key, sizeBytes: Size, tag: ETag, storedAt: LastModified })
    token = page.IsTruncated ? page.NextContinuationToken : undefined
  } while (token)
  return objects
}

/** Undefined when there is none. */
export async function objectAt(
  bucket: Bucket,
  key: string,
  ctx: Pick<Context, 'signal'>,
): Promise<StoredObject | undefined> {
  const what = `looking at ${key}`
  return await bucketCall(what, bucket, ctx, async (options) => {
    try {
      const request = new HeadObjectCommand({ Bucket: bucket.name, Key: key })
      const { ContentLength = 0, ETag, LastModified = new Date(0) } = await bucket.s3.send(request, options)
      if (ETag === undefined) throw unreadableAnswer(what, bucket.region)
      return { key, sizeBytes: ContentLength, tag: ETag, storedAt: LastModified }
    } catch (error) {
      if (error instanceof Error && /^(NotFound|NoSuchKey)$/.test(error.name)) return undefined
      throw error
    }
  })
}

/** "Not there" is success, as it is for S3. */
export async function removeObject(bucket: Bucket, key: string, ctx: Pick<Context, 'signal'>): Promise<void> {
  const request = new DeleteObjectCommand({ Bucket: bucket.name, Key: key })
  await bucketCall(`removing ${key}`, bucket, ctx, (options) => bucket.s3.send(request, options))
}
