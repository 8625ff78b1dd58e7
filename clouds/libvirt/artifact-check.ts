import { open } from 'node:fs/promises'
import type { Artifact } from '#src/artifact/types.ts'
import { FactoryError } from '#src/errors.ts'

const headerBytes = 104
const magic = 0x51_46_49_fb
const externalDataFile = 1n << 2n

/**
 * Looks whether the file is what the artifact says before a hypervisor opens it: its size, and for qcow2 that it
 * refers to no other file. A qcow2 from a hostile builder could name any file of the hypervisor as its backing file;
 * see https://www.qemu.org/docs/master/interop/qcow2.html for the header.
 */
export async function assertArtifact(artifact: Artifact): Promise<void> {
  await using file = await open(artifact.path)
  const { size } = await file.stat()
  if (size !== artifact.sizeBytes)
    throw mismatch(artifact, `has ${size} bytes instead of ${artifact.sizeBytes}`)
  const header = Buffer.alloc(headerBytes)
  const { bytesRead } = await file.read(header, 0, headerBytes, 0)
  const isQcow2 = bytesRead === headerBytes && header.readUInt32BE(0) === magic
  if (artifact.format === 'raw') {
    // libvirt and QEMU guess the format of what they are not told; a disk that looks like something else is a trap.
    if (isQcow2) throw mismatch(artifact, 'begins like a qcow2 image')
    if (size !== artifact.virtualBytes)
      throw mismatch(artifact, `has a virtual size of its own: ${artifact.virtualBytes}`)
    return
  }
  if (!isQcow2) throw mismatch(artifact, 'is no qcow2 image')
  if (header.readBigUInt64BE(8) !== 0n) throw mismatch(artifact, 'refers to a backing file')
  const version = header.readUInt32BE(4)
  if (version >= 3 && (header.readBigUInt64BE(72) & externalDataFile) !== 0n) {
    throw mismatch(artifact, 'refers to an external data file')
  }
  const virtualBytes = Number(header.readBigUInt64BE(24))
  if (virtualBytes === artifact.virtualBytes) return
  throw mismatch(artifact, `has a virtual size of ${virtualBytes} bytes instead of ${artifact.virtualBytes}`)
}

function mismatch(artifact: Artifact, what: string): FactoryError {
  return new FactoryError({
    code: 'artifact-mismatch',
    message: `the ${artifact.arch} ${artifact.format} artifact ${artifact.path} ${what}`,
    hint: 'The local store or the builder is broken: remove that file and run factory release again.',
    class: 'bug',
  })
}
