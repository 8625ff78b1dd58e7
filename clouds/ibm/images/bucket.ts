import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3'
import pRetry from 'p-retry'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import { readHmacKeys } from '../credentials.ts'
import { endpointOf } from '../endpoints.ts'
import type { IbmSettings } from '../settings.ts'
import { bucketFailure, missingBucket } from './bucket-failures.ts'

/** The bucket that images pass through. */
export interface Bucket {
  /** Of the cloud in the configuration. */
  readonly cloud: string
  readonly name: string
  readonly region: string
  readonly s3: S3Client
}

const connectMs = 5_000
const answerMs = 30_000
const callLimitMs = 60_000

/** Undefined when the configuration names none. The keys are read when they are first needed. */
export function openBucket(settings: Pick<IbmSettings, 'name' | 'configuration'>): Bucket | undefined {
  const { name: cloud, configuration } = settings
  const { bucket, endpoints } = configuration
  if (bucket === undefined) return undefined
  const { name, region } = bucket
  const s3 = new S3Client({
    region,
    endpoint: endpointOf(endpoints, 'cos', region),
    credentials: () => readHmacKeys(configuration, cloud),
    forcePathStyle: true,
    maxAttempts: 1,
    // Stores that are not Amazon's refuse the checksums that the SDK adds since 3.729.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectMs,
      requestTimeout: answerMs,
      throwOnRequestTimeout: true,
    },
  })
  return { cloud, name, region, s3 }
}

/** A call that is harmless to repeat, with a deadline, asked again when what failed may pass by itself. */
export async function bucketCall<T>(
  what: string,
  bucket: Bucket,
  ctx: Pick<Context, 'signal'>,
  send: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const once = async () => {
    try {
      return await withTimeLimit(what, callLimitMs, ctx.signal, (abortSignal) => send({ abortSignal }))
    } catch (error) {
      ctx.signal.throwIfAborted()
      throw bucketFailure(error, what, bucket)
    }
  }
  return await pRetry(once, {
    retries: 5,
    minTimeout: 300,
    maxTimeout: 10_000,
    randomize: true,
    signal: ctx.signal,
    shouldRetry: ({ error }) => asFactoryError(error).class === 'infra',
  })
}

/** Throws when images cannot pass through the bucket: not there, in another region, no rights. */
export async function checkBucket(bucket: Bucket, ctx: Pick<Context, 'signal'>): Promise<void> {
  await bucketCall('looking whether it is there', bucket, ctx, async (options) => {
    try {
      await bucket.s3.send(new HeadBucketCommand({ Bucket: bucket.name }), options)
    } catch (error) {
      throw error instanceof Error && error.name === 'NotFound' ? missingBucket(bucket, error) : error
    }
  })
}
