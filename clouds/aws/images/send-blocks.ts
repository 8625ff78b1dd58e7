import { createHash } from 'node:crypto'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { type Block, blockBytes, contentBlocks } from './blocks.ts'
import { localExtents } from '#src/artifact/extents.ts'
import { type Target, digestOf, putBlock } from './put-block.ts'
import type { SentBlocks } from './sent-blocks.ts'

/** What `CompleteSnapshot` wants to know. */
export interface SentContent {
  blocks: number
  /** Base64 sha256 over the digests of all blocks, in their order. */
  checksum: string
}

/**
 * Sends the blocks of an artifact that hold anything and that the snapshot has not got yet. The file is read once, in
 * order; as many blocks are in memory as are on their way.
 */
export async function sendBlocks(
  target: Target,
  artifact: Artifact,
  sent: SentBlocks,
  ctx: Context,
): Promise<SentContent> {
  const { pace } = target
  const stop = new AbortController()
  const own = { ...ctx, signal: AbortSignal.any([ctx.signal, stop.signal]) }
  const digests = createHash('sha256')
  const running = new Set<Promise<void>>()
  let blocks = 0
  let sentBytes = 0
  const extents = await localExtents(artifact.path, artifact.sizeBytes, ctx)
  const tell = () =>
    ctx.emit({
      message: `sending ${target.snapshotId} to ${target.clients.region}`,
      done: Math.min(sentBytes, artifact.contentBytes),
      total: artifact.contentBytes,
      unit: 'bytes',
    })
  const send = async (block: Block, digest: Buffer): Promise<void> => {
    try {
      await putBlock(target, block, digest, own)
      await sent.add(block.index)
      sentBytes += blockBytes
      pace.done('answered')
      tell()
    } catch (error) {
      pace.done('failed')
      stop.abort(error)
    }
  }
  try {
    for await (const block of contentBlocks(artifact.path, extents)) {
      const digest = digestOf(block)
      digests.update(digest)
      blocks += 1
      if (sent.has(block.index)) {
        sentBytes += blockBytes
        continue
      }
      await pace.start()
      own.signal.throwIfAborted()
      const put = send(block, digest).finally(() => running.delete(put))
      running.add(put)
    }
  } finally {
    await Promise.all(running)
  }
  own.signal.throwIfAborted()
  return { blocks, checksum: digests.digest('base64') }
}
