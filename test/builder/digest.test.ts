import { randomBytes } from 'node:crypto'
import { mkdtemp, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startDigest } from '#src/builder/transfer/digest.ts'

const MiB = 1024 ** 2
const sizeBytes = 6 * 1024 * MiB
const contentBytes = 512 * MiB

/** A file whose content is the last of it, behind a hole that takes seconds to hash. */
async function almostEmpty(signal: AbortSignal) {
  const path = join(await mkdtemp(join(tmpdir(), 'factory-digest-')), 'disk.raw')
  await using file = await open(path, 'w')
  await file.truncate(sizeBytes)
  await file.write(randomBytes(MiB), 0, MiB, sizeBytes - MiB)
  return startDigest(
    path,
    { sizeBytes, extents: [{ offset: sizeBytes - contentBytes, length: contentBytes }] },
    signal,
  )
}

test('who writes ahead of the hashing waits until it is near', async () => {
  await using digest = await almostEmpty(new AbortController().signal)
  const order: string[] = []
  expect(digest.near(100 * MiB), 'a little ahead').toBeUndefined()
  digest.advance(sizeBytes)
  const all = [
    digest.near(200 * MiB)?.then(() => order.push('near')),
    digest.near(contentBytes)?.then(() => order.push('nearer')),
    digest.result().then(() => order.push('the end')),
  ]
  setImmediate(() => order.push('not at once'))
  await Promise.all(all)
  expect(order).toEqual(['not at once', 'near', 'nearer', 'the end'])
})

test('nobody waits for a hashing that was given up', async () => {
  const stop = new AbortController()
  await using digest = await almostEmpty(stop.signal)
  digest.advance(sizeBytes)
  const near = digest.near(contentBytes)
  stop.abort(new Error('given up'))
  await near
  await expect(digest.result()).rejects.toThrow('given up')
})
