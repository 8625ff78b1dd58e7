import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, open, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { openStore } from '#src/artifact/store.ts'

const content = 'what a builder made'
const sha256 = createHash('sha256').update(content).digest('hex')

interface Place extends AsyncDisposable {
  directory: string
}

async function place(parent = tmpdir()): Promise<Place> {
  const directory = await mkdtemp(join(parent, 'store-'))
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
}

/** As a transfer leaves it: the content is on the disk, its name perhaps not. */
async function arrive(file: string): Promise<void> {
  await using arrived = await open(file, 'w')
  await arrived.writeFile(content)
  await arrived.sync()
}

test('an artifact that was taken in is still there after a power cut', async () => {
  await using here = await place('/var/tmp')
  const disk = join(here.directory, 'disk.raw')
  const cut = join(here.directory, 'cut.raw')
  const mounted = join(here.directory, 'mounted')
  await mkdir(mounted)
  await execa('truncate', ['-s', '64M', disk])
  await execa('mkfs.ext4', ['-q', '-F', disk])
  // The file system writes nothing of its own accord for longer than this test runs.
  await execa('mount', ['-o', 'loop,commit=300', disk, mounted])
  try {
    const state = join(mounted, 'state')
    await mkdir(state)
    const store = openStore(state)
    const incoming = await store.incoming('1-x86_64.raw')
    await arrive(incoming)
    await store.add(incoming, sha256)
    await execa('cp', ['--sparse=always', disk, cut])
  } finally {
    await execa('umount', [mounted])
  }
  await execa('mount', ['-o', 'loop', cut, mounted])
  try {
    const store = openStore(join(mounted, 'state'))
    expect(await readFile(store.path(sha256), 'utf8')).toBe(content)
    expect(await store.has(sha256, content.length)).toBe(true)
  } finally {
    await execa('umount', [mounted])
  }
})

test('an artifact that is there already is not taken in twice', async () => {
  await using here = await place()
  const store = openStore(here.directory)
  for (const name of ['first', 'second']) {
    const incoming = await store.incoming(name)
    await arrive(incoming)
    expect(await store.add(incoming, sha256)).toBe(store.path(sha256))
  }
  expect(await readdir(join(here.directory, 'store/incoming'))).toEqual([])
  expect(await readdir(join(here.directory, 'store/sha256'))).toEqual([sha256])
})

test('an artifact with one bit changed at rest is noticed by the next process, and removed', async () => {
  await using here = await place()
  const store = openStore(here.directory)
  const incoming = await store.incoming('whole')
  await arrive(incoming)
  await store.add(incoming, sha256)
  const { signal } = new AbortController()
  expect(await openStore(here.directory).isIntact(sha256, signal)).toBe(true)
  await writeFile(store.path(sha256), content.replace('w', 'v'))
  expect(await openStore(here.directory).isIntact(sha256, signal)).toBe(false)
  expect(await store.has(sha256, content.length)).toBe(false)
})

test('an artifact that arrives again takes the place of one that was damaged', async () => {
  await using here = await place()
  const store = openStore(here.directory)
  for (const name of ['first', 'second']) {
    const incoming = await store.incoming(name)
    await arrive(incoming)
    await store.add(incoming, sha256)
    expect(await readFile(store.path(sha256), 'utf8')).toBe(content)
    await writeFile(store.path(sha256), 'damaged')
  }
})

test('a stopped process and its successor never fetch the same artifact into the same file', async () => {
  await using here = await place()
  const [stopped, successor] = [openStore(here.directory), openStore(here.directory)]
  const old = await stopped.incoming('1-x86_64.raw')
  const incoming = await successor.incoming('1-x86_64.raw')
  await arrive(incoming)
  // What the old one does when it goes on and finds that its transfer has broken.
  await rm(old, { force: true })
  await successor.add(incoming, sha256)
  expect(await successor.has(sha256, content.length)).toBe(true)
})

test('what killed transfers left is cleared, and what has been taken in stays', async () => {
  await using here = await place()
  const store = openStore(here.directory)
  await store.clearIncoming()
  const incoming = await store.incoming('whole')
  await arrive(incoming)
  await store.add(incoming, sha256)
  await writeFile(`${await store.incoming('1-x86_64.raw')}.partial`, 'half of it')
  await writeFile(await store.incoming('1-s390x.qcow2'), 'not taken in')

  await store.clearIncoming()
  expect(await readdir(join(here.directory, 'store'))).toEqual(['sha256'])
  expect(await store.has(sha256, content.length)).toBe(true)
  await arrive(await store.incoming('1-x86_64.raw'))
})
