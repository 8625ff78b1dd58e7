import { createHash } from 'node:crypto'

const blockBytes = 524_288
const fullBlocks = 2
/** The first, the full ones, and the one that is not. */
export const blocksWithContent = fullBlocks + 2

/**
 * The disk that an identity is built into, as small as one can be that has everything: it begins with the identity, has a
 * block of zeros that is not sent, and ends in the middle of a block.
 */
export function diskOf(identity: string): Buffer {
  const first = Buffer.alloc(blockBytes, filling(identity, 0))
  first.write(`${identity}\0`)
  const rest = Array.from({ length: fullBlocks }, (_, index) =>
    Buffer.alloc(blockBytes, filling(identity, index + 1)),
  )
  return Buffer.concat([first, Buffer.alloc(blockBytes), ...rest, Buffer.from('the end')])
}

/** What a machine says of itself whose disk begins with this block. */
export function identityIn(block: Uint8Array): string {
  return Buffer.from(block.subarray(0, block.indexOf(0))).toString()
}

function filling(identity: string, index: number): Buffer {
  return createHash('sha256').update(`${identity} ${index}`).digest()
}
