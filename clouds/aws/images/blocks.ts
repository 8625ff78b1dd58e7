import { open } from 'node:fs/promises'
import type { Extent } from '#src/builder/types.ts'

/** EBS knows no other size: https://docs.aws.amazon.com/ebs/latest/APIReference/API_PutSnapshotBlock.html */
export const blockBytes = 524_288

export interface Block {
  /** Which block of the disk it is, from 0. */
  readonly index: number
  /** Exactly `blockBytes`; the last one of a disk is filled up with zeros. */
  readonly bytes: Buffer
}

const zeros = Buffer.alloc(blockBytes)

/** The blocks of a file that hold anything but zeros, ascending; what lies between the extents is not read. */
export async function* contentBlocks(path: string, extents: readonly Extent[]): AsyncGenerator<Block> {
  await using file = await open(path, 'r')
  for (const index of blockIndexes(extents)) {
    const bytes = Buffer.alloc(blockBytes)
    let filled = 0
    while (filled < blockBytes) {
      const { bytesRead } = await file.read(bytes, filled, blockBytes - filled, index * blockBytes + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    if (!bytes.equals(zeros)) yield { index, bytes }
  }
}

function* blockIndexes(extents: readonly Extent[]): Generator<number> {
  let next = 0
  for (const { offset, length } of extents) {
    const first = Math.max(next, Math.floor(offset / blockBytes))
    const end = Math.ceil((offset + length) / blockBytes)
    for (let index = first; index < end; index += 1) yield index
    next = Math.max(next, end)
  }
}
