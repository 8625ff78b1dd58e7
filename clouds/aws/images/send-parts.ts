import type { CompletedPart } from '@aws-sdk/client-s3'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { type Part, digestOfPart, partsOf } from './parts.ts'
import { type PartTarget, putPart } from './put-part.ts'

/** A part that is in the bucket, as S3 lists it. */
export type PartThere = Pick<CompletedPart, 'PartNumber' | 'ETag' | 'ChecksumSHA256'>

/**
 * Sends the parts of a file that an upload has not got yet, holes and all: S3 knows none. Each is read twice, for its
 * digest and to be sent, and in memory there is never more than a piece of the ones that are on their way.
 */
export async function sendParts(
  target: PartTarget,
  artifact: Artifact,
  there: readonly PartThere[],
  ctx: Context,
): Promise<CompletedPart[]> {
  const { bucket, pace } = target
  const stop = new AbortController()
  const own = { ...ctx, signal: AbortSignal.any([ctx.signal, stop.signal]) }
  const running = new Set<Promise<void>>()
  const before = new Map(there.map((part) => [part.PartNumber, part]))
  const sent: CompletedPart[] = []
  let doneBytes = 0
  const done = (part: Part, tag: string | undefined, checksum: string): void => {
    sent.push({ PartNumber: part.number, ETag: tag, ChecksumSHA256: checksum })
    doneBytes += part.length
    ctx.emit({
      message: `sending to the bucket ${bucket.bucket}`,
      done: doneBytes,
      total: artifact.sizeBytes,
      unit: 'bytes',
    })
  }
  const send = async (part: Part, digest: Buffer): Promise<void> => {
    try {
      done(part, await putPart(target, artifact.path, part, digest, own), digest.toString('base64'))
      pace.done('answered')
    } catch (error) {
      pace.done('failed')
      stop.abort(error)
    }
  }
  try {
    for (const part of partsOf(artifact.sizeBytes)) {
      const digest = await digestOfPart(artifact.path, part, own.signal)
      const known = before.get(part.number)
      if (known?.ChecksumSHA256 === digest.toString('base64')) {
        done(part, known.ETag, known.ChecksumSHA256)
        continue
      }
      await pace.start()
      own.signal.throwIfAborted()
      const put = send(part, digest).finally(() => running.delete(put))
      running.add(put)
    }
  } finally {
    await Promise.all(running)
  }
  own.signal.throwIfAborted()
  return sent.toSorted((a, b) => a.PartNumber! - b.PartNumber!)
}
