import { createHash } from 'node:crypto'
import type { DiskFormat } from '#arch/index.ts'

const blockBytes = 524_288
const fullBlocks = 2
/** Of a raw disk: the first, the full ones, and the one that is not. */
export const blocksWithContent = fullBlocks + 2
/** The header of a qcow2; what it says of itself comes after it. */
const headerBytes = 104
const virtualBytes = 20e9

/**
 * The disk that an identity is built into, as small as one can be that has everything: it begins with the identity (a qcow2
 * with its header), has a block of zeros that is not sent, and ends in the middle of a block.
 */
export function diskOf(identity: string, format: DiskFormat): Buffer {
  const head = format === 'qcow2' ? qcow2Header() : Buffer.alloc(0)
  const first = Buffer.alloc(blockBytes, filling(identity, 0))
  head.copy(first)
  first.write(`${identity}\0`, head.length)
  const rest = Array.from({ length: fullBlocks }, (_, index) =>
    Buffer.alloc(blockBytes, filling(identity, index + 1)),
  )
  return Buffer.concat([first, Buffer.alloc(blockBytes), ...rest, Buffer.from('the end')])
}

/** The size of every such disk as a machine sees it. */
export function virtualBytesOf(format: DiskFormat): number {
  return format === 'qcow2' ? virtualBytes : diskOf('', format).length
}

/** What a machine says of itself whose disk begins with this block. */
export function identityIn(block: Uint8Array, format: DiskFormat): string {
  const beginning = block.subarray(format === 'qcow2' ? headerBytes : 0)
  return Buffer.from(beginning.subarray(0, beginning.indexOf(0))).toString()
}

/** https://www.qemu.org/docs/master/interop/qcow2.html: magic, version, and the size of the disk. */
function qcow2Header(): Buffer {
  const head = Buffer.alloc(headerBytes)
  head.write('QFI\xfb', 0, 'latin1')
  head.writeUInt32BE(3, 4)
  head.writeBigUInt64BE(BigInt(virtualBytes), 24)
  return head
}

function filling(identity: string, index: number): Buffer {
  return createHash('sha256').update(`${identity} ${index}`).digest()
}
