import { readFileSync } from 'node:fs'

/*
 * SQLite drops what is torn at the end of its write-ahead log without a word. To be able to say it, we look at the file
 * first. Format and checksum: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
const headerBytes = 32
const frameHeaderBytes = 24
const bigEndianChecksums = 0x377f0683

/** Bytes at the end of a write-ahead log that belong to its present generation and to no complete transaction. */
export function tornWalBytes(file: string): number {
  const wal = readIfThere(file)
  if (wal.length === 0) return 0
  if (wal.length < headerBytes) return wal.length
  const pageBytes = wal.readUInt32BE(8)
  const frameBytes = frameHeaderBytes + pageBytes
  const salts = wal.subarray(16, 24)
  const bigEndian = wal.readUInt32BE(0) === bigEndianChecksums
  let sums = checksum([0, 0], wal.subarray(0, 24), bigEndian)
  if (!isSum(wal, 24, sums)) return wal.length
  let committedTo = headerBytes
  let at = headerBytes
  for (; at + frameBytes <= wal.length; at += frameBytes) {
    // What an earlier generation left behind the end bears other salts.
    if (!wal.subarray(at + 8, at + 16).equals(salts)) return at - committedTo
    sums = checksum(sums, wal.subarray(at, at + 8), bigEndian)
    sums = checksum(sums, wal.subarray(at + frameHeaderBytes, at + frameBytes), bigEndian)
    if (!isSum(wal, at + 16, sums)) return wal.length - committedTo
    if (wal.readUInt32BE(at + 4) !== 0) committedTo = at + frameBytes
  }
  return wal.length - committedTo
}

type Sums = [number, number]

function checksum([first, second]: Sums, bytes: Buffer, bigEndian: boolean): Sums {
  const read = (offset: number) => (bigEndian ? bytes.readUInt32BE(offset) : bytes.readUInt32LE(offset))
  for (let offset = 0; offset + 8 <= bytes.length; offset += 8) {
    first = (first + read(offset) + second) >>> 0
    second = (second + read(offset + 4) + first) >>> 0
  }
  return [first, second]
}

function isSum(wal: Buffer, offset: number, [first, second]: Sums): boolean {
  return wal.readUInt32BE(offset) === first && wal.readUInt32BE(offset + 4) === second
}

function readIfThere(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}
