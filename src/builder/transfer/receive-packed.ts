import type { FileHandle } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { FactoryError } from '#src/errors.ts'
import type { Cipher, OpenSsh } from '../openssh.ts'
import { startDigest } from './digest.ts'
import type { RunningDigest } from './digest.ts'
import { flushInTime } from './flush.ts'
import type { TransferProgress } from './progress.ts'
import { sendExtentsProgram, sendPackedScript } from './scripts.ts'
import { corrupt, senderWords, startSender } from './sender.ts'
import { readSparseTar } from './sparse-tar.ts'
import type { Piece } from './sparse-tar.ts'
import { release, unpack } from './unpack.ts'
import type { FetchedFile } from '../types.ts'

export interface Receipt {
  ssh: OpenSsh
  cipher: Cipher
  remotePath: string
  /** What the builder said before. */
  sizeBytes: number
  maxSizeBytes: number
  localPath: string
  file: FileHandle
  progress: TransferProgress
}

const writeBytes = 512 * 1024

/**
 * Receives the extents of a sparse file as a compressed stream and writes each where it belongs. That they are what the
 * builder read is proven by ssh, which authenticates every packet, and by zstd's checksum of the content.
 */
export async function receivePacked(receipt: Receipt): Promise<FetchedFile> {
  const { remotePath, progress } = receipt
  const words = [dirname(remotePath), basename(remotePath), sendExtentsProgram]
  const stop = new AbortController()
  const signal = AbortSignal.any([progress.signal, stop.signal])
  const sender = startSender(receipt, sendPackedScript, words, 'pipe', signal)
  const stream = sender.stdout
  if (!stream) throw new Error('ssh has no standard output')
  const unpacking = unpack(stream, remotePath)
  let fetched: FetchedFile | undefined
  let failure: unknown
  try {
    fetched = await writeExtents(receipt, unpacking.content, signal)
  } catch (error) {
    failure = error
    // Else the sender, whom we stop reading, would end with a failure of its own and hide this one.
    if (isDamaged(error)) stop.abort(corrupt(remotePath, 'it does not unpack', error))
    if (error instanceof FactoryError) stop.abort(error)
  }
  await senderWords(sender, remotePath, signal, failure)
  if (failure !== undefined) throw corrupt(remotePath, 'it does not unpack', failure)
  await unpacking.end().catch((error: unknown) => {
    throw corrupt(remotePath, 'it does not unpack', error)
  })
  return fetched as FetchedFile
}

/** Whether zstd found other bytes than were packed; a stream that ends too early is another thing. */
function isDamaged(error: unknown): boolean {
  return String((error as { code?: unknown }).code).startsWith('ZSTD_error_')
}

async function writeExtents(
  receipt: Receipt,
  source: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<FetchedFile> {
  const { file, localPath, progress, maxSizeBytes, sizeBytes } = receipt
  const tar = readSparseTar({ name: basename(receipt.remotePath), maxSizeBytes })
  const writer = gatherWrites(file)
  const flush = flushInTime(file)
  await using resources = new AsyncDisposableStack()
  let digest: RunningDigest | undefined
  let contentBytes = 0
  for await (const bytes of source) {
    const pieces = tar.push(bytes)
    if (!digest && tar.layout) {
      if (tar.layout.sizeBytes !== sizeBytes) throw corrupt(receipt.remotePath, 'its size changed')
      await file.truncate(sizeBytes)
      digest = resources.use(startDigest(localPath, tar.layout, signal))
    }
    for (const piece of pieces) {
      contentBytes += piece.bytes.length
      const writtenTo = await writer.write(piece)
      if (writtenTo !== undefined) digest?.advance(writtenTo)
    }
    const behind = digest?.near(contentBytes)
    if (behind) await progress.ownWork(behind)
    flush.arrived(contentBytes)
    progress.moved(contentBytes)
  }
  tar.end()
  await writer.flush()
  if (!digest || !tar.layout) throw corrupt(receipt.remotePath, 'it ended too early')
  const [sha256] = await progress.ownWork(Promise.all([digest.result(), flush.end()]))
  return { sha256, sizeBytes, contentBytes, extents: tar.layout.extents }
}

/** Writes neighbouring pieces together; answers with the end of what has been written, when it wrote. */
function gatherWrites(file: FileHandle) {
  let pieces: Buffer[] = []
  let offset = 0
  let length = 0

  async function flush(): Promise<number | undefined> {
    if (length === 0) return undefined
    await writeAll(file, pieces, offset, length)
    const end = offset + length
    for (const piece of pieces) release(piece)
    pieces = []
    length = 0
    return end
  }

  return {
    flush,
    async write(piece: Piece): Promise<number | undefined> {
      let end = piece.offset === offset + length ? undefined : await flush()
      if (length === 0) offset = piece.offset
      pieces.push(piece.bytes)
      length += piece.bytes.length
      if (length >= writeBytes) end = await flush()
      return end
    },
  }
}

/** A disk that fills up takes the first part of a write; only the next one says why it takes no more. */
async function writeAll(
  file: FileHandle,
  pieces: readonly Buffer[],
  offset: number,
  length: number,
): Promise<void> {
  let { bytesWritten: done } = await file.writev(pieces, offset)
  if (done === length) return
  const bytes = Buffer.concat(pieces)
  while (done < length) done += (await file.write(bytes, done, length - done, offset + done)).bytesWritten
}
