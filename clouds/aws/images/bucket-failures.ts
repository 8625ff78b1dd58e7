import { FactoryError } from '#src/errors.ts'
import { awsErrorName } from '../failures.ts'

/** What of an S3 error says where the bucket really is. */
interface BucketError {
  $metadata?: { httpStatusCode?: number }
  $response?: { headers?: Record<string, string> }
  Region?: string
}

export interface BucketPlace {
  /** Of the cloud in the configuration. */
  readonly cloud: string
  readonly bucket: string
  readonly region: string
}

/** What people get wrong about buckets, in their words; undefined for all that other services can fail with, too. */
export function bucketFailure(error: unknown, what: string, place: BucketPlace): FactoryError | undefined {
  const name = awsErrorName(error)
  const { $metadata, $response, Region } = error as BucketError
  const status = $metadata?.httpStatusCode
  if (
    status === 301 ||
    /^(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint)/.test(name)
  )
    return elsewhere($response?.headers?.['x-amz-bucket-region'] ?? Region, place, error)
  if (name === 'NoSuchBucket') return missingBucket(place, error)
  if (name === 'NoSuchUpload') return uploadGone(what, place, error)
  if (name !== 'AccessDenied' && name !== 'Forbidden' && !(status === 403 && /^(403|Unknown)/.test(name)))
    return undefined
  return new FactoryError({
    code: 'aws-permission',
    message: `${what} in ${place.region} failed: ${name}, in the bucket ${place.bucket}`,
    hint: `Name a bucket of this account in clouds.${place.cloud}.bucket, and look at the rights of the factory there: docs/clouds/aws.md lists them, factory doctor tells which are missing.`,
    class: 'permission',
    cause: error,
  })
}

/** The bucket is not where the images are made, and an import reads from no other region. */
export function elsewhere(actual: string | undefined, place: BucketPlace, cause?: unknown): FactoryError {
  const { cloud, bucket, region } = place
  return new FactoryError({
    code: 'aws-bucket-region',
    message: `the bucket ${bucket} is in ${actual ?? 'another region'}, and images are made in ${region}: AWS imports only from a bucket in the same region`,
    hint: `Make one there (aws s3 mb s3://NAME --region ${region}) and name it in clouds.${cloud}.bucket; or leave out \`method: s3\`, which needs no bucket.`,
    class: 'user',
    cause,
  })
}

export function missingBucket({ cloud, bucket, region }: BucketPlace, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'aws-bucket-missing',
    message: `there is no bucket ${bucket}`,
    hint: `Make it (aws s3 mb s3://${bucket} --region ${region}) or mend clouds.${cloud}.bucket.`,
    class: 'user',
    cause,
  })
}

/** Somebody, perhaps our own reaper, took an upload for abandoned that was not. */
export function uploadGone(what: string, { bucket, region }: BucketPlace, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'aws-upload-gone',
    message: `${what} in ${region} failed: what had been sent was removed from the bucket ${bucket} meanwhile`,
    hint: 'Run the same command again: it begins anew.',
    class: 'infra',
    cause,
  })
}
