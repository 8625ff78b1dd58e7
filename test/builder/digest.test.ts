import { randomBytes } from 'node:crypto'
import { mkdtemp, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startDigest } from '#src/builder/transfer/digest.ts'

const MiB = 1024 ** 2
const sizeBytes = 6 * 1024 * MiB

/** A file that is holes but for its last MiB; to hash it takes seconds. */
async function almostEmpty(signal: AbortSignal) {
  const path = join(await mkdtemp(join(tmpdir(), 'factory-digest-')), 'disk.raw')
  await using file = await open(path, 'w')
  await file.truncate(sizeBytes)
  await file.write(randomBytes(MiB), 0, MiB, sizeBytes - MiB)
  return startDigest(path, { sizeBytes, extents: [{ offset: sizeBytes - MiB, length: MiB }] }, signal)
}

test('who writes ahead of the hashing waits until it is near', async () => {
  await using digest = await almostEmpty(new AbortController().signal)
  const order: string[] = []
  digest.advance(100 * MiB)
  await digest.near()
  order.push('what is near is not waited for')
  digest.advance(sizeBytes)
  const near = digest.near().then(() => order.push('near'))
  setImmediate(() => order.push('not near at once'))
  await near
  await digest.result().then(() => order.push('the end'))
  expect(order).toEqual(['what is near is not waited for', 'not near at once', 'near', 'the end'])
})

test('nobody waits for a hashing that was given up', async () => {
  const stop = new AbortController()
  await using digest = await almostEmpty(stop.signal)
  digest.advance(sizeBytes)
  const near = digest.near()
  stop.abort(new Error('given up'))
  await near
  await expect(digest.result()).rejects.toThrow('given up')
})
