import { FactoryError, type FactoryErrorFacts } from '#src/errors.ts'

/** Where a bucket is, for messages. */
export interface BucketPlace {
  /** Of the cloud in the configuration. */
  readonly cloud: string
  readonly name: string
  readonly region: string
}

type Reading = Pick<FactoryErrorFacts, 'code' | 'class' | 'hint'>

/** How a call of the SDK can fail; of its errors these are the parts that count. */
interface SdkError extends Error {
  Code?: string
  $metadata?: { httpStatusCode?: number }
}

const again = 'Run the same command again: what has arrived is not sent again.'

/** Gives a failed call of the bucket a code, a place and the next thing to type. */
export function bucketFailure(error: unknown, what: string, place: BucketPlace): FactoryError {
  if (error instanceof FactoryError) return error
  const { Code, name, message, $metadata } = (
    error instanceof Error ? error : new Error(String(error))
  ) as SdkError
  const status = $metadata?.httpStatusCode
  // What is no answer of a store has no name but that.
  const code = Code ?? (name === 'Error' ? '' : name)
  return storeFailure({ code, message, status }, what, place, error)
}

/** The same for an answer that no SDK has read. */
export function storeFailure(
  { code, message, status }: { code: string; message: string; status: number | undefined },
  what: string,
  place: BucketPlace,
  cause?: unknown,
): FactoryError {
  if (code === 'NoSuchBucket') return missingBucket(place, cause)
  // In a bucket with a key of its owner's a part that somebody else sent again has another tag than before.
  if (code === 'NoSuchUpload' || code === 'InvalidPart') return uploadGone(what, place, cause)
  if (status === 301 || /^(PermanentRedirect|AuthorizationHeaderMalformed)/.test(code))
    return elsewhere(place, cause)
  return new FactoryError({
    ...readingOf(code, message, status, place),
    message: `${what} in the bucket ${place.name} failed: ${saidBy(code, message)}`.slice(0, 2000),
    context: { name: code, ...(status === undefined ? {} : { status }) },
    cause,
  })
}

function readingOf(
  code: string,
  message: string,
  status: number | undefined,
  { cloud }: BucketPlace,
): Reading {
  if (
    /^(InvalidAccessKeyId|SignatureDoesNotMatch|RequestTimeTooSkewed|CredentialsProviderError)$/.test(code)
  ) {
    const hint = `Look at the HMAC keys (clouds.${cloud}.bucket.keysFile, or IBMCLOUD_COS_… in the environment) and at the clock of this machine.`
    return { code: 'ibm-credentials', class: 'permission', hint }
  }
  if (status === 403 || /^(AccessDenied|Forbidden)$/.test(code)) {
    const hint = `Look at the HMAC keys (clouds.${cloud}.bucket.keysFile, or IBMCLOUD_COS_… in the environment): they need the role Writer on the bucket, which must be of their instance.`
    return { code: 'ibm-permission', class: 'permission', hint }
  }
  if (/parse error|Deserialization/i.test(message) || /^Unknown(Error)?$/.test(code)) {
    const hint = 'Run the same command again. Is `endpoints.cos` in the configuration right?'
    return { code: 'ibm-answer-unreadable', class: 'infra', hint }
  }
  if (status === undefined) {
    const hint = 'Look at the network, at `bucket.region` and at `endpoints` in the configuration.'
    return { code: 'ibm-not-reachable', class: 'infra', hint }
  }
  if (/SlowDown|Throttl|TooManyRequests|ServiceUnavailable/.test(code))
    return { code: 'ibm-throttled', class: 'infra', hint: again }
  if (status >= 500 || code === 'BadDigest' || code === 'RequestTimeout')
    return { code: 'ibm-failed', class: 'infra', hint: again }
  return {
    code: 'ibm-refused',
    class: 'user',
    hint: `Compare what it names with clouds.${cloud}.bucket in the configuration.`,
  }
}

/** Some have a name and no words, some words and no name, and some say their name twice. */
function saidBy(code: string, message: string): string {
  return [...new Set([code, message])].filter((each) => each !== '').join(': ')
}

export function missingBucket({ cloud, name, region }: BucketPlace, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'ibm-bucket-missing',
    message: `there is no bucket ${name} in ${region}`,
    hint: `Make it (ibmcloud cos bucket-create --bucket ${name} --region ${region}) or mend clouds.${cloud}.bucket.`,
    class: 'user',
    cause,
  })
}

function elsewhere({ cloud, name, region }: BucketPlace, cause: unknown): FactoryError {
  return new FactoryError({
    code: 'ibm-bucket-missing',
    message: `the bucket ${name} is not in ${region}`,
    hint: `Write where it is into clouds.${cloud}.bucket.region: ibmcloud cos bucket-location-get --bucket ${name}`,
    class: 'user',
    cause,
  })
}

/** Somebody, perhaps our own reaper, took an upload for abandoned that was not. */
export function uploadGone(what: string, { name }: BucketPlace, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'ibm-upload-gone',
    message: `${what} failed: what had been sent was removed from the bucket ${name} or replaced there meanwhile`,
    hint: 'Run the same command again: it begins anew.',
    class: 'infra',
    cause,
  })
}
