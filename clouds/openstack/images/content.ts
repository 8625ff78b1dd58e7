import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import type { Artifact } from '#src/artifact/types.ts'
import type { Extent } from '#src/builder/types.ts'
import { FactoryError } from '#src/errors.ts'

/** Each piece is a chunk on the wire, and uWSGI, which Glance often stands behind, takes none of a MiB; glanceclient sends these. */
const pieceBytes = 64 * 1024
/**
 * So many pieces are kept, and used in turn: new ones for each would be collected so late that an upload takes as much memory
 * as it has content. Fewer are ever on their way at once, for the socket takes a piece only when it has room; what would be
 * overwritten all the same would not have the digest that it had when it was read.
 */
const buffersInTurn = 256
const zeros = new Uint8Array(pieceBytes)

/**
 * The whole content of an artifact, a piece at a time. Glance wants every byte of it, so holes travel as zeros; but they
 * are not read. `moved` is told of each piece when it is taken.
 */
export async function* contentOf(
  { path, sizeBytes }: Pick<Artifact, 'path' | 'sizeBytes'>,
  extents: readonly Extent[],
  moved: (bytes: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  await using file = await open(path, 'r')
  const buffers = Array.from({ length: buffersInTurn }, () => new Uint8Array(pieceBytes))
  let turn = 0
  let at = 0
  for (const { offset, length } of [...extents, { offset: sizeBytes, length: 0 }]) {
    for (; at < offset; at += pieceBytes) {
      const piece = zeros.subarray(0, Math.min(pieceBytes, offset - at))
      moved(piece)
      yield piece
    }
    at = offset
    for (const end = offset + length; at < end;) {
      const buffer = buffers[turn++ % buffersInTurn]!
      const piece = await read(file, path, at, buffer.subarray(0, Math.min(pieceBytes, end - at)))
      at += piece.length
      moved(piece)
      yield piece
    }
  }
}

/** The digest of an artifact by the algorithm that a cloud uses, in hex. */
export async function digestOf(
  artifact: Artifact,
  algorithm: string,
  extents: readonly Extent[],
  signal: AbortSignal,
): Promise<string> {
  if (algorithm === 'sha256') return artifact.sha256
  const hash = newHash(algorithm)
  for await (const _ of contentOf(artifact, extents, (bytes) => hash.update(bytes))) signal.throwIfAborted()
  return hash.digest('hex')
}

/** Glance lets its operators choose; by default it is sha512. */
export function newHash(algorithm: string): Hash {
  try {
    return createHash(algorithm)
  } catch (cause) {
    throw new FactoryError({
      code: 'openstack-hash-unknown',
      message: `the cloud gives the digests of its images by ${algorithm}, which is not known here, so nobody could tell whether an image arrived whole`,
      hint: 'Ask who runs the cloud for `hashing_algorithm = sha512` in glance-api.conf, which is the default.',
      class: 'user',
      cause,
    })
  }
}

async function read(file: FileHandle, path: string, at: number, piece: Uint8Array): Promise<Uint8Array> {
  const { length } = piece
  const { bytesRead } = await file.read(piece, 0, length, at)
  if (bytesRead > 0) return piece.subarray(0, bytesRead)
  throw new FactoryError({
    code: 'artifact-mismatch',
    message: `${path} is shorter than it was recorded: it ends before byte ${at + length}`,
    hint: 'Remove the file and run factory release again: it is built once more.',
    class: 'bug',
  })
}
