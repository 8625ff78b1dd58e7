import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'

/** One stretch of a file on its way to a bucket. */
export interface Part {
  /** From 1, as S3 counts. */
  readonly number: number
  readonly offset: number
  readonly length: number
}

const leastPartBytes = 64 * 1024 ** 2
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const mostParts = 10_000
const readBytes = 1024 ** 2

/** The parts of a file of this size: always the same ones, so that a later run can go on with them. */
export function partsOf(sizeBytes: number): Part[] {
  const partBytes = leastPartBytes * Math.max(1, Math.ceil(sizeBytes / (leastPartBytes * mostParts)))
  const count = Math.ceil(sizeBytes / partBytes)
  return Array.from({ length: count }, (_, index) => {
    const offset = index * partBytes
    return { number: index + 1, offset, length: Math.min(partBytes, sizeBytes - offset) }
  })
}

/** The bytes of a part, read as they are asked for: a part is never in memory as a whole. */
export function openPart(path: string, { offset, length }: Part) {
  return createReadStream(path, { start: offset, end: offset + length - 1, highWaterMark: readBytes })
}

/** The sha256 of a part. */
export async function digestOfPart(path: string, part: Part, signal: AbortSignal): Promise<Buffer> {
  const digest = createHash('sha256')
  for await (const bytes of openPart(path, part)) {
    signal.throwIfAborted()
    digest.update(bytes as Buffer)
  }
  return digest.digest()
}

/** What S3 says of an object that was made of these parts: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html#large-object-checksums */
export function checksumOfParts(digests: readonly Buffer[]): string {
  const digest = createHash('sha256').update(Buffer.concat(digests)).digest('base64')
  return `${digest}-${digests.length}`
}
