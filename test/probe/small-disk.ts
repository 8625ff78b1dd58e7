import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import type { ArchitectureName } from '#arch/index.ts'
import type { Artifact } from '#src/artifact/types.ts'

const clusterBits = 16
const clusterBytes = 2 ** clusterBits
/** One table of one level maps so much: 8192 entries of 64 KiB. */
const perTable = (clusterBytes / 8) * clusterBytes

/**
 * Writes a qcow2 of 1 GiB with 512 random bytes at its beginning, so that no two are the same, in 384 KiB; it boots
 * nothing. The layout is that of https://www.qemu.org/docs/master/interop/qcow2.html: header, table of reference counts,
 * their block, table of tables, table, content.
 */
export async function writeSmallDisk(path: string, arch: ArchitectureName): Promise<Artifact> {
  const virtualBytes = 1024 ** 3
  const [counts, block, tables, table, content] = [1, 2, 3, 4, 5].map((index) => index * clusterBytes)
  const file = Buffer.alloc(6 * clusterBytes)
  file.write('QFI\xfb', 0, 'latin1')
  file.writeUInt32BE(2, 4)
  file.writeUInt32BE(clusterBits, 20)
  file.writeBigUInt64BE(BigInt(virtualBytes), 24)
  file.writeUInt32BE(Math.ceil(virtualBytes / perTable), 36)
  file.writeBigUInt64BE(BigInt(tables!), 40)
  file.writeBigUInt64BE(BigInt(counts!), 48)
  file.writeUInt32BE(1, 56)
  file.writeBigUInt64BE(BigInt(block!), counts)
  for (let cluster = 0; cluster < 6; cluster += 1) file.writeUInt16BE(1, block! + cluster * 2)
  const owned = 1n << 63n
  file.writeBigUInt64BE(owned | BigInt(table!), tables)
  file.writeBigUInt64BE(owned | BigInt(content!), table)
  randomBytes(512).copy(file, content)
  await writeFile(path, file)
  const sha256 = createHash('sha256').update(file).digest('hex')
  const sizes = { sizeBytes: file.length, virtualBytes, contentBytes: file.length }
  return { arch, format: 'qcow2', path, sha256, ...sizes }
}
