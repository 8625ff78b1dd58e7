import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { createZstdDecompress } from 'node:zlib'
import type { ZstdDecompress } from 'node:zlib'
import { corrupt } from './sender.ts'

export interface Unpacking {
  /** What zstd makes of the stream, in parts of some hundred KiB; throws what zstd or the stream says. */
  readonly content: AsyncIterable<Buffer>
  /** Waits until zstd has taken the stream and found its checksum right; throws when it did not. */
  end(): Promise<void>
}

/** Packed bytes go to zstd in portions: every one costs two changes of the thread, and ssh gives 30 KiB at a time. */
const portionBytes = 256 * 1024
const contentBytes = 512 * 1024

/** Of the header of a zstd frame: its magic number, and the bit for a checksum of the content behind it (RFC 8878, 3.1.1). */
const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])
const checksumBit = 4

/**
 * Unpacks a zstd stream whose frame has a checksum, as builders make one, without leaving anything for the garbage
 * collector; `what` is for messages.
 */
export function unpack(stream: Readable, what: string): Unpacking {
  const zstd = createZstdDecompress({ chunkSize: contentBytes })
  const fed = feed(stream, zstd, what)
  fed.catch((error: Error) => zstd.destroy(error))
  // What a hostile sender puts behind its frame may fail when the content was read and nobody listens to zstd any more.
  const taken = Promise.all([fed, finished(zstd, { readable: false })]).then(() => undefined)
  taken.catch(() => {})
  // Who stops reading the content ends zstd, and that must end the stream, so that its sender does not wait for us.
  zstd.once('close', () => stream.destroy())
  return { content: zstd as AsyncIterable<Buffer>, end: () => taken }
}

async function feed(stream: AsyncIterable<Buffer>, zstd: ZstdDecompress, what: string): Promise<void> {
  let begun = false
  let unpacked = Promise.resolve()
  let [portion, next] = [Buffer.allocUnsafe(portionBytes), Buffer.allocUnsafe(portionBytes)]
  let filled = 0

  /** Returns while zstd is at it, so that the next portion is filled meanwhile. */
  async function pass(): Promise<void> {
    await unpacked
    const bytes = portion.subarray(0, filled)
    if (!begun && lacksChecksum(bytes)) throw corrupt(what, 'no checksum comes with it')
    begun = true
    unpacked = new Promise((resolve, reject) =>
      zstd.write(bytes, (error) => (error ? reject(error) : resolve())),
    )
    unpacked.catch(() => {})
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
}

/** What is no frame at all, or not the whole of its header, is for zstd to refuse. */
function lacksChecksum(start: Buffer): boolean {
  const descriptor = start[magic.length]
  return (
    start.subarray(0, magic.length).equals(magic) &&
    descriptor !== undefined &&
    (descriptor & checksumBit) === 0
  )
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
