import { GetRoleCommand } from '@aws-sdk/client-iam'
import { HeadBucketCommand, type S3Client } from '@aws-sdk/client-s3'
import type { Context } from '#src/context.ts'
import { call, callAgain } from '../call.ts'
import type { RegionClients } from '../clients.ts'
import { type BucketPlace, bucketFailure, elsewhere, missingBucket } from './bucket-failures.ts'
import { awsErrorName } from '../failures.ts'
import { missingRole } from './import-failures.ts'
import type { AwsSettings } from '../settings.ts'

/** The bucket that images pass through. */
export interface Bucket extends BucketPlace {
  readonly s3: S3Client
  readonly clients: RegionClients
}

/** Undefined when the configuration names none. */
export function bucketOf({ name, configuration, clients }: AwsSettings): Bucket | undefined {
  const { bucket, region } = configuration
  if (bucket === undefined) return undefined
  const own = clients(region)
  return { cloud: name, bucket, region, clients: own, s3: own.s3 }
}

/** A call that is harmless to repeat, which the client of buckets does not do by itself. */
export async function bucketCall<T>(
  what: string,
  bucket: Bucket,
  ctx: Pick<Context, 'signal'>,
  send: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  return await callAgain(what, bucket.region, ctx, async (options) => {
    try {
      return await send(options)
    } catch (error) {
      throw bucketFailure(error, what, bucket) ?? error
    }
  })
}

/** Throws when images cannot pass through the bucket: not there, in another region, no rights; no role to read it with. */
export async function checkBucket(bucket: Bucket, role: string, ctx: Context): Promise<void> {
  const what = `looking at the bucket ${bucket.bucket}`
  const { BucketRegion } = await bucketCall(what, bucket, ctx, async (options) => {
    try {
      return await bucket.s3.send(new HeadBucketCommand({ Bucket: bucket.bucket }), options)
    } catch (error) {
      throw awsErrorName(error) === 'NotFound' ? missingBucket(bucket, error) : error
    }
  })
  if (BucketRegion !== undefined && BucketRegion !== bucket.region) throw elsewhere(BucketRegion, bucket)
  await call(`looking at the role ${role}`, bucket.region, ctx, async (options) => {
    try {
      await bucket.clients.iam.send(new GetRoleCommand({ RoleName: role }), options)
    } catch (error) {
      if (awsErrorName(error).startsWith('NoSuchEntity')) throw missingRole(role, bucket, error)
      // Not being allowed to look says nothing about the role.
      if (!/^(AccessDenied|UnauthorizedOperation)/.test(awsErrorName(error))) throw error
    }
  })
}
