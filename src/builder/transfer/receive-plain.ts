import { setTimeout as sleep } from 'node:timers/promises'
import type { FetchedFile } from '../types.ts'
import { startDigest } from './digest.ts'
import type { Receipt } from './receive-packed.ts'
import { flushInTime } from './flush.ts'
import { sendPlainScript } from './scripts.ts'
import { corrupt, senderDigest, startSender } from './sender.ts'

/** Short, so that what is hashed is still in the processor's cache from being written. */
const lookMs = 5

/**
 * Receives a dense file that does not get smaller: ssh writes straight into our file, as `ssh host cat > file` does,
 * and the hashing thread follows behind. The builder's digest is the one of the file itself here.
 */
export async function receivePlain(receipt: Receipt): Promise<FetchedFile> {
  const { remotePath, localPath, sizeBytes, file, progress } = receipt
  const extents = sizeBytes === 0 ? [] : [{ offset: 0, length: sizeBytes }]
  const stop = new AbortController()
  const signal = AbortSignal.any([progress.signal, stop.signal])
  await using digest = startDigest(localPath, { sizeBytes, extents }, signal)
  const sender = startSender(receipt, sendPlainScript, [remotePath], file.fd, signal)

  const ended = sender.then(() => 'ended' as const)
  const flush = flushInTime(file)
  do {
    const { size } = await file.stat()
    flush.arrived(size)
    if (size > sizeBytes) stop.abort(corrupt(remotePath, 'it is longer than the builder said'))
    digest.advance(Math.min(size, sizeBytes))
    progress.moved(size)
  } while ((await Promise.race([ended, sleep(lookMs)])) !== 'ended')

  const sent = await senderDigest(sender, remotePath, signal)
  const { size } = await file.stat()
  if (size !== sizeBytes) throw corrupt(remotePath, `${size} bytes came instead of ${sizeBytes}`)
  progress.moved(size)
  const [sha256] = await progress.ownWork(Promise.all([digest.result(), flush.end()]))
  if (sha256 !== sent) throw corrupt(remotePath, 'its sha256 is not what the builder says')
  return { sha256, sizeBytes, contentBytes: sizeBytes, extents }
}
