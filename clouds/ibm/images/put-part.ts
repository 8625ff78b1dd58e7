import { UploadPartCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { type Part, openPart } from '#clouds/file-parts.ts'
import { type Pace, isPushedBack } from '#clouds/pace.ts'
import { retryPauseMs } from '#clouds/until.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { Bucket } from './bucket.ts'
import { bucketFailure, storeFailure } from './bucket-failures.ts'
import { putStream } from './put-stream.ts'
import type { Upload } from './uploads.ts'

const mostTries = 8
/** 75 KB a second for each part of 64 MiB, of which at least two are sent at once; who has less cannot send images. */
const tryMs = 15 * 60_000

export interface PartTarget {
  readonly bucket: Bucket
  readonly upload: Upload
  readonly pace: Pace
}

/**
 * Sends one part of a file, which the pace has let start, and returns its tag. It goes to an address that is signed for
 * this part alone, so that whoever sends needs no credential; the store refuses bytes that do not have the digest.
 */
export async function putPart(
  target: PartTarget,
  path: string,
  part: Part,
  md5: Buffer,
  ctx: Context,
): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await send(target, path, part, md5, ctx)
    } catch (caught) {
      ctx.signal.throwIfAborted()
      const failure = bucketFailure(caught, nameOf(target, part), target.bucket)
      if (isPushedBack(String(failure.context['name'] ?? ''))) target.pace.slowDown()
      if (failure.class !== 'infra' || failure.code === 'ibm-upload-gone' || tries >= mostTries) throw failure
      await target.pace.rest(() => ctx.sleep(retryPauseMs(tries)))
    }
  }
}

async function send(
  target: PartTarget,
  path: string,
  part: Part,
  md5: Buffer,
  ctx: Context,
): Promise<string> {
  const { bucket } = target
  const what = nameOf(target, part)
  const address = await addressOfPart(target, part, md5)
  const headers = { 'content-md5': md5.toString('base64'), 'content-length': String(part.length) }
  const limited = AbortSignal.any([ctx.signal, AbortSignal.timeout(tryMs)])
  const { status, tag, text } = await putStream(address, headers, openPart(path, part), limited)
  if (status === 200 && tag !== undefined) return tag
  if (status === 200) {
    const message = `${what} was answered with nothing that a bucket would say`
    const hint = 'Run the same command again. Is `endpoints.cos` in the configuration right?'
    throw new FactoryError({ code: 'ibm-answer-unreadable', message, hint, class: 'infra' })
  }
  const said = { code: inside(text, 'Code') ?? String(status), message: inside(text, 'Message') ?? '' }
  throw storeFailure({ ...said, status }, what, bucket)
}

/** An address that takes this part, with bytes of this digest, and nothing else; good for one try. */
async function addressOfPart({ bucket, upload }: PartTarget, part: Part, md5: Buffer): Promise<string> {
  const request = new UploadPartCommand({
    Bucket: bucket.name,
    Key: upload.key,
    UploadId: upload.id,
    PartNumber: part.number,
    ContentMD5: md5.toString('base64'),
  })
  const signedHeaders = new Set(['content-md5'])
  return await getSignedUrl(bucket.s3, request, {
    expiresIn: tryMs / 1000,
    signableHeaders: new Set(['host', ...signedHeaders]),
    unhoistableHeaders: signedHeaders,
  })
}

function nameOf({ upload }: PartTarget, { number }: Part): string {
  return `sending part ${number} of ${upload.key}`
}

function inside(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)<`).exec(xml)?.[1]
}
