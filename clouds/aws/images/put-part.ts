import { UploadPartCommand } from '@aws-sdk/client-s3'
import type { Context } from '#src/context.ts'
import { answered } from '../answer.ts'
import type { Bucket } from './bucket.ts'
import { bucketFailure } from './bucket-failures.ts'
import { isExpired } from '../credentials.ts'
import { awsErrorName, awsFailure } from '../failures.ts'
import { type Pace, isPushedBack } from '#clouds/pace.ts'
import { type Part, openPart } from '#clouds/file-parts.ts'
import type { Upload } from './uploads.ts'
import { retryPauseMs } from '#clouds/until.ts'

const attempts = 8
/** 75 KB a second for each part of 64 MiB, of which at least two are sent at once; who has less cannot send images. */
const attemptMs = 15 * 60_000

export interface PartTarget {
  readonly bucket: Bucket
  readonly upload: Upload
  readonly pace: Pace
}

/**
 * Sends one part of a file, which the pace has let start, and returns its tag. The bytes are not signed, their digest is, and S3 refuses a part that does
 * not match it. A stream cannot be sent twice, so each try opens the file again.
 */
export async function putPart(
  target: PartTarget,
  path: string,
  part: Part,
  digest: Buffer,
  ctx: Context,
): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await send(target, path, part, digest, ctx)
    } catch (error) {
      ctx.signal.throwIfAborted()
      const { verdict, failure } = judge(error, target, part)
      if (verdict === 'slow down') target.pace.slowDown()
      if (verdict === 'give up' || tries >= attempts) throw failure
      await target.pace.rest(() => ctx.sleep(retryPauseMs(tries)))
    }
  }
}

async function send(
  { bucket, upload }: PartTarget,
  path: string,
  part: Part,
  digest: Buffer,
  ctx: Context,
): Promise<string> {
  const unreadable = new AbortController()
  const body = openPart(path, part).on('error', (error) => unreadable.abort(error))
  const request = new UploadPartCommand({
    Bucket: bucket.bucket,
    Key: upload.key,
    UploadId: upload.id,
    PartNumber: part.number,
    Body: body,
    ContentLength: part.length,
    ChecksumSHA256: digest.toString('base64'),
  })
  const abortSignal = AbortSignal.any([ctx.signal, unreadable.signal, AbortSignal.timeout(attemptMs)])
  try {
    const { ETag } = await bucket.s3.send(request, { abortSignal })
    return answered(ETag, `sending part ${part.number} of ${upload.key}`, bucket.region)
  } catch (error) {
    throw unreadable.signal.aborted ? unreadable.signal.reason : error
  } finally {
    body.destroy()
  }
}

type Verdict = 'again' | 'slow down' | 'give up'

function judge(
  error: unknown,
  { bucket, upload }: PartTarget,
  part: Part,
): { verdict: Verdict; failure: Error } {
  const what = `sending part ${part.number} of ${upload.key}`
  const known = bucketFailure(error, what, bucket)
  if (known) return { verdict: 'give up', failure: known }
  const name = awsErrorName(error)
  const failure = awsFailure(error, what, bucket.region)
  if (isPushedBack(name)) return { verdict: 'slow down', failure }
  // The next try gets fresh credentials where they can be refreshed.
  const isAgain = failure.class === 'infra' || isExpired(error)
  return { verdict: isAgain ? 'again' : 'give up', failure }
}
