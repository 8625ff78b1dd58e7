import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { objectKey, readObjectKey } from '#clouds/aws/images/bucket-keys.ts'
import { awsConfiguration } from '#clouds/aws/config.ts'
import { checksumOfParts, digestOfPart, partsOf } from '#clouds/file-parts.ts'
import type { ImageKey } from '#clouds/types.ts'
import { sha256 } from '#test/servers/aws-test.ts'

const MiB = 1024 ** 2

function problems(configuration: object): string[] {
  const parsed = awsConfiguration.safeParse({ kind: 'aws', region: 'us-east-1', ...configuration })
  return parsed.error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? []
}

test.each([
  [{ method: 's3' }, /^bucket is missing: `method: s3` needs the name of a bucket/],
  [{ method: 'S3' }, /^method /],
  [{ method: 's3', bucket: 's3://images' }, /^bucket is no bucket name.*without s3:/],
  [{ method: 's3', bucket: 'Images' }, /^bucket is no bucket name/],
  [{ method: 's3', bucket: 'a..b' }, /^bucket is no bucket name/],
  [
    { method: 's3', bucket: 'images', importRole: 'arn:aws:iam::123456789012:role/vmimport' },
    /^importRole .*not the ARN/,
  ],
])('%j is refused', (configuration, why) => {
  expect(problems(configuration).join('\n')).toMatch(why)
})

test('images go by EBS direct unless a bucket is asked for, and AWS reads that as vmimport', () => {
  const common = { kind: 'aws', region: 'us-east-1' }
  expect(awsConfiguration.parse(common)).toMatchObject({ method: 'ebs', importRole: 'vmimport' })
  // One that is left in the file is still looked through for leftovers.
  expect(problems({ bucket: 'images' })).toEqual([])
  expect(problems({ method: 's3', bucket: 'my.images-1' })).toEqual([])
})

test('the parts of a file are 64 MiB, without gap, and never more than S3 takes', () => {
  for (const sizeBytes of [1, 64 * MiB, 64 * MiB + 1, 700 * 1024 * MiB, 16 * 1024 ** 2 * MiB]) {
    const parts = partsOf(sizeBytes)
    expect(parts.length).toBeLessThanOrEqual(10_000)
    let next = 0
    for (const [index, { number, offset, length }] of parts.entries()) {
      expect([number, offset]).toEqual([index + 1, next])
      next += length
    }
    expect(next).toBe(sizeBytes)
  }
  expect(partsOf(64 * MiB + 1).map(({ length }) => length)).toEqual([64 * MiB, 1])
})

test('the digest of a part is that of its bytes, holes too, and a file that ends early is no part', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'parts-'))
  try {
    const path = join(directory, 'disk.raw')
    await using file = await open(path, 'w')
    await file.write(Buffer.from('content'), 0, 7, 2 * MiB)
    await file.truncate(3 * MiB)
    const { signal } = new AbortController()
    const part = { number: 1, offset: 2 * MiB - 1, length: 10 }
    const bytes = Buffer.from('\0content\0\0')
    const digest = await digestOfPart(path, part, signal)
    expect(digest).toEqual(sha256(bytes))
    expect(checksumOfParts([digest, digest])).toBe(
      `${sha256(Buffer.concat([digest, digest])).toString('base64')}-2`,
    )
    await expect(digestOfPart(path, { ...part, length: 2 * MiB }, signal)).rejects.toThrow('ends before')
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('the name of an object says whose it is and what, whatever a release is called', () => {
  const key = { owner: 'team', sha256: 'a'.repeat(64), release: 'nightly/1 #2', arch: 'aarch64' } as ImageKey
  const name = objectKey(key)
  expect(name).toMatch(/^[\w%./-]+$/)
  expect(readObjectKey(name)).toEqual(key)
  expect(readObjectKey('team/sha256/doctor')).toBeUndefined()
})
