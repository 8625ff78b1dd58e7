import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'

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
const readBytes = 256 * 1024

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

/** The digest of a part, by which a store tells it from others: S3 keeps sha256, others only md5. One buffer does for all of it. */
export async function digestOfPart(
  path: string,
  part: Part,
  signal: AbortSignal,
  algorithm: 'sha256' | 'md5' = 'sha256',
): Promise<Buffer> {
  await using file = await open(path)
  const digest = createHash(algorithm)
  const piece = Buffer.alloc(Math.min(readBytes, part.length))
  for (let at = 0; at < part.length;) {
    signal.throwIfAborted()
    const wanted = Math.min(piece.length, part.length - at)
    const { bytesRead } = await file.read(piece, 0, wanted, part.offset + at)
    if (bytesRead === 0) throw new Error(`${path} ends before byte ${part.offset + part.length}`)
    digest.update(piece.subarray(0, bytesRead))
    at += bytesRead
  }
  return digest.digest()
}

/** What S3 says of an object that was made of these parts: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html#large-object-checksums */
export function checksumOfParts(digests: readonly Buffer[]): string {
  const digest = createHash('sha256').update(Buffer.concat(digests)).digest('base64')
  return `${digest}-${digests.length}`
}
