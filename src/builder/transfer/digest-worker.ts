import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { type DigestTask, hashed, written } from './digest.ts'

/*
 * Hashes a file while it is being written, from what was written: holes come from one buffer of zeros and are never
 * read. A thread of its own, because hashing 10 GiB takes longer than moving the 2 GiB of content in them.
 */
/** Small enough to be hashed out of the processor's cache. */
const chunkBytes = 256 * 1024
const waitMs = 100
/** After so much content it is told how far the hash is. */
const tellBytes = 8 * 1024 * 1024

const buffer = Buffer.allocUnsafe(chunkBytes)
const zeros = Buffer.alloc(chunkBytes)

parentPort?.on('message', (task: DigestTask) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
  parentPort?.postMessage(hashFile(task))
})

function hashFile({ path, sizeBytes, extents, shared }: DigestTask): string {
  const offsets = new BigInt64Array(shared)
  const hash = createHash('sha256')
  const file = openSync(path, 'r')
  let at = 0
  let [content, told] = [0, 0]
  try {
    for (const { offset, length } of [...extents, { offset: sizeBytes, length: 0 }]) {
      while (at < offset) at += feed(zeros, Math.min(chunkBytes, offset - at))
      while (at < offset + length) {
        const known = Atomics.load(offsets, written)
        const end = Math.min(offset + length, Number(known))
        if (at >= end) Atomics.wait(offsets, written, known, waitMs)
        else {
          const hashedBytes = feed(buffer, readSync(file, buffer, 0, Math.min(chunkBytes, end - at), at))
          at += hashedBytes
          content += hashedBytes
          tell()
        }
      }
    }
  } finally {
    closeSync(file)
  }
  return hash.digest('hex')

  function feed(bytes: Buffer, length: number): number {
    if (length === 0) throw new Error(`${path} got shorter while it was hashed`)
    hash.update(length === chunkBytes ? bytes : bytes.subarray(0, length))
    return length
  }

  function tell(): void {
    if (content < told + tellBytes) return
    told = content
    Atomics.store(offsets, hashed, BigInt(told))
    Atomics.notify(offsets, hashed)
  }
}
