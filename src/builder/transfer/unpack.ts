import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { createZstdDecompress } from 'node:zlib'
import type { ZstdDecompress } from 'node:zlib'

export interface Unpacking {
  /** What zstd makes of the stream, in parts of some hundred KiB; throws what zstd or the stream says. */
  readonly content: AsyncIterable<Buffer>
  /** The hex sha256 of the stream as it came, once all of it has; throws when zstd did not take all of it. */
  digest(): Promise<string>
}

/** Packed bytes go to zstd in portions: every one costs two changes of the thread, and ssh gives 30 KiB at a time. */
const portionBytes = 256 * 1024
const contentBytes = 512 * 1024

/** Unpacks a zstd stream and hashes it meanwhile, without leaving anything for the garbage collector. */
export function unpack(stream: Readable): Unpacking {
  const zstd = createZstdDecompress({ chunkSize: contentBytes })
  const fed = feed(stream, zstd)
  fed.catch((error: Error) => zstd.destroy(error))
  // What a hostile sender puts behind its frame may fail when the content was read and nobody listens to zstd any more.
  const hashed = Promise.all([fed, finished(zstd, { readable: false })]).then(([digest]) => digest)
  hashed.catch(() => {})
  // Who stops reading the content ends zstd, and that must end the stream, so that its sender does not wait for us.
  zstd.once('close', () => stream.destroy())
  return { content: zstd as AsyncIterable<Buffer>, digest: () => hashed }
}

async function feed(stream: AsyncIterable<Buffer>, zstd: ZstdDecompress): Promise<string> {
  const hash = createHash('sha256')
  let unpacked = Promise.resolve()
  let [portion, next] = [Buffer.allocUnsafe(portionBytes), Buffer.allocUnsafe(portionBytes)]
  let filled = 0

  /** Returns while zstd is at it, so that the next portion is filled meanwhile. */
  async function pass(): Promise<void> {
    await unpacked
    const bytes = portion.subarray(0, filled)
    unpacked = new Promise((resolve, reject) =>
      zstd.write(bytes, (error) => (error ? reject(error) : resolve())),
    )
    unpacked.catch(() => {})
    hash.update(bytes)
    ;[portion, next] = [next, portion]
    filled = 0
  }

  for await (const bytes of stream) {
    for (let at = 0; at < bytes.length;) {
      const copied = bytes.copy(portion, filled, at)
      at += copied
      filled += copied
      if (filled === portionBytes) await pass()
    }
    release(bytes)
  }
  await pass()
  await unpacked
  zstd.end()
  return hash.digest('hex')
}

/**
 * Frees the memory of bytes that nobody will read again, when they are the last in it; for what a socket or zstd gave,
 * which comes out of no pool. As garbage, two GiB of content would make V8 mark its whole heap a hundred times.
 */
export function release(bytes: Buffer): void {
  const { buffer, byteOffset, byteLength } = bytes
  // What Node's pool lends is a small part of it; what ssh gives is often no larger than the pool, and a whole.
  const shared = buffer.byteLength <= Buffer.poolSize && byteLength < buffer.byteLength
  if (!shared && buffer instanceof ArrayBuffer && byteOffset + byteLength === buffer.byteLength)
    buffer.transfer(0)
}
