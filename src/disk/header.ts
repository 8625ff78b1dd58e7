import type { DiskFormat } from '#arch/index.ts'

/** The bytes from the start of a disk image that `readHeader` has to see. */
export const headerBytes = 512

const largestDiskBytes = 16 * 1024 ** 4
const qcow2Magic = 0x51_46_49_fb
/** https://www.qemu.org/docs/master/interop/qcow2.html: the guest's data is in another file. */
const externalDataFile = 1n << 2n

export type Header = { ok: true; virtualBytes: number } | { ok: false; reason: string }

/**
 * Reads the size of the disk from an image's first bytes and its file size, and refuses what is no self-contained disk:
 * the file was made by a privileged container, so a qcow2 may name any other file as its backing file.
 */
export function readHeader(format: DiskFormat, bytes: Uint8Array, fileBytes: number): Header {
  if (bytes.length < headerBytes) return { ok: false, reason: `it has only ${bytes.length} bytes` }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return format === 'raw' ? readRaw(view, fileBytes) : readQcow2(view)
}

function readRaw(view: DataView, fileBytes: number): Header {
  if (view.getUint16(510) !== 0x55aa) return { ok: false, reason: 'it has no partition table' }
  if (fileBytes % 512 !== 0)
    return { ok: false, reason: `its size of ${fileBytes} bytes is no multiple of 512` }
  return sane(BigInt(fileBytes))
}

function readQcow2(view: DataView): Header {
  if (view.getUint32(0) !== qcow2Magic) return { ok: false, reason: 'it does not start as a qcow2 file does' }
  const version = view.getUint32(4)
  if (version !== 2 && version !== 3) return { ok: false, reason: `it is qcow2 of version ${version}` }
  if (view.getBigUint64(8) !== 0n) return { ok: false, reason: 'it names a backing file' }
  if (version === 3 && (view.getBigUint64(72) & externalDataFile) !== 0n) {
    return { ok: false, reason: 'it names an external data file' }
  }
  return sane(view.getBigUint64(24))
}

function sane(virtualBytes: bigint): Header {
  if (virtualBytes >= 1024n ** 2n && virtualBytes <= BigInt(largestDiskBytes)) {
    return { ok: true, virtualBytes: Number(virtualBytes) }
  }
  return { ok: false, reason: `a disk of ${virtualBytes} bytes is not believable` }
}
