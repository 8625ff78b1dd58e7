import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { cached, labCacheDirectory } from './cache.ts'

let home: string

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'factory-cache-'))
  vi.stubEnv('XDG_CACHE_HOME', home)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(home, { recursive: true })
})

test('makes a thing once and finds it afterwards, until its recipe changes', async () => {
  const make = vi.fn(async (path: string) => writeFile(path, 'made'))
  const first = await cached('thing', { size: 1 }, make)
  expect(await readFile(first, 'utf8')).toBe('made')
  expect(await cached('thing', { size: 1 }, make)).toBe(first)
  expect(make).toHaveBeenCalledTimes(1)
  expect(await cached('thing', { size: 2 }, make)).not.toBe(first)
})

test('makes a thing once for everybody who asks at the same time', async () => {
  const make = vi.fn(async (path: string) => void (await mkdir(path)))
  const [one, other] = await Promise.all([cached('thing', 1, make), cached('thing', 1, make)])
  expect(one).toBe(other)
  expect(make).toHaveBeenCalledTimes(1)
})

test('leaves nothing behind that counts when making fails half way', async () => {
  const half = async (path: string) => {
    await writeFile(path, 'half')
    throw new Error('no space')
  }
  await expect(cached('thing', 1, half)).rejects.toThrow('no space')
  expect(await readdir(labCacheDirectory())).toEqual([])
})

test('sweeps what a killed process left half made, and leaves alone what a living one makes', async () => {
  await mkdir(labCacheDirectory(), { recursive: true })
  const dead = join(labCacheDirectory(), '.making.999999999.other-0123456789ab')
  const living = join(labCacheDirectory(), `.making.${process.ppid}.other-0123456789ab`)
  for (const path of [dead, living]) await writeFile(path, 'half')
  const made = await cached('thing', 1, (path) => writeFile(path, 'made'))
  const left = (await readdir(labCacheDirectory())).map((name) => join(labCacheDirectory(), name))
  expect(left.toSorted()).toEqual([living, made].toSorted())
})

test('removes what an older recipe made when nobody used it for days', async () => {
  const old = await cached('thing', 1, (path) => writeFile(path, 'old'))
  const other = await cached('other', 1, (path) => writeFile(path, 'other'))
  const longAgo = new Date(Date.now() - 7 * 24 * 60 * 60_000)
  for (const path of [old, other]) await utimes(path, longAgo, longAgo)
  await cached('thing', 2, (path) => writeFile(path, 'new'))
  await expect(readFile(old)).rejects.toThrow('ENOENT')
  expect(await readFile(other, 'utf8')).toBe('other')
})

test('keeps what was just made although it comes from an archive of long ago', async () => {
  const longAgo = new Date(Date.now() - 7 * 24 * 60 * 60_000)
  const made = await cached('tree', 1, async (path) => {
    await writeFile(path, 'unpacked')
    await utimes(path, longAgo, longAgo)
  })
  expect(await readFile(made, 'utf8')).toBe('unpacked')
})
