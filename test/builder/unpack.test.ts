import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { release, unpack } from '#src/builder/transfer/unpack.ts'

const KiB = 1024

test.each([0, 1, 30 * KiB, 256 * KiB, 1000 * KiB + 7])(
  'a packed stream of %i random bytes gives them again',
  async (length) => {
    const bytes = randomBytes(length)
    const packed = pack(bytes)
    const unpacking = unpack(inPieces(packed), 'x')
    expect(await contentOf(unpacking.content)).toEqual(bytes)
    await unpacking.end()
  },
)

test('what a builder sends behind the packed content is a failure of the transfer, not the end of the process', async () => {
  const packed = Buffer.concat([pack(randomBytes(600 * KiB)), randomBytes(700 * KiB)])
  const unpacking = unpack(inPieces(packed), 'x')
  await contentOf(unpacking.content).catch(() => undefined)
  const late = sleep(5_000, 'it never says', { ref: false })
  await expect(Promise.race([unpacking.end(), late])).rejects.toMatchObject({ code: expect.any(String) })
})

test('a stream that breaks in the middle is told with its own words', async () => {
  const packed = pack(randomBytes(600 * KiB))
  async function* broken() {
    yield Buffer.from(packed.subarray(0, 300 * KiB))
    throw new Error('the cable was pulled')
  }
  const unpacking = unpack(Readable.from(broken(), { objectMode: false }), 'x')
  await expect(contentOf(unpacking.content)).rejects.toThrow('the cable was pulled')
  await expect(unpacking.end()).rejects.toThrow('the cable was pulled')
})

test.each([
  [
    'with another byte in it',
    (packed: Buffer) => packed.with(packed.length - 9, ~(packed.at(-9) as number)),
    'ZSTD_error_',
  ],
  ['without its end', (packed: Buffer) => packed.subarray(0, -1), 'Z_BUF_ERROR'],
  [
    'without a checksum',
    (packed: Buffer) => zstdCompressSync(zstdDecompressSync(packed)),
    'artifact-corrupt',
  ],
] as const)('a packed stream %s is refused', async (_how, damage, code) => {
  const unpacking = unpack(inPieces(Buffer.from(damage(pack(randomBytes(600 * KiB))))), 'disk.raw')
  const whole = contentOf(unpacking.content).then(() => unpacking.end())
  await expect(whole).rejects.toMatchObject({ code: expect.stringContaining(code) })
})

/** With a checksum, as builders do. */
function pack(bytes: Buffer): Buffer {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })
}

test('bytes are freed when they are the last of their memory, and never with what others have there', () => {
  const freed = (bytes: Buffer) => {
    release(bytes)
    return bytes.length === 0
  }
  const large = new ArrayBuffer(512 * KiB)
  expect(freed(Buffer.from(large, 0, 256 * KiB))).toBe(false)
  expect(freed(Buffer.from(large, 256 * KiB))).toBe(true)
  expect(freed(Buffer.from(new ArrayBuffer(30 * KiB)))).toBe(true)
  expect(freed(Buffer.from(new ArrayBuffer(Buffer.poolSize), Buffer.poolSize - 100))).toBe(false)
  expect(freed(Buffer.from('from the pool'))).toBe(false)
})

/** As ssh gives it: each piece with memory of its own. */
function inPieces(packed: Buffer): Readable {
  const pieces = []
  for (let at = 0; at < packed.length; at += 30 * KiB)
    pieces.push(Buffer.from(new Uint8Array(packed.subarray(at, at + 30 * KiB)).buffer))
  return Readable.from(pieces, { objectMode: false })
}

async function contentOf(content: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of content) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}
