import { randomBytes } from 'node:crypto'
import { mkdir, readlink, readdir, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test, vi } from 'vitest'
import { flushInTime } from '#src/builder/transfer/flush.ts'
import { watchTransfer } from '#src/builder/transfer/progress.ts'
import { eventually, startSshServer } from '#test/servers/sshd.ts'
import { startTcpProxy } from '#test/servers/tcp-proxy.ts'
import { MiB, bring, expectSame, sparse } from './bring.ts'
import { testContext } from './test-context.ts'

/** Both ways of a transfer: extents as a compressed stream, and a dense file as it is. */
const shapes: [string, number, [number, Buffer][]][] = [
  ['packed', 64 * MiB, [[MiB, randomBytes(48 * MiB)]]],
  ['plain', 48 * MiB, [[0, randomBytes(48 * MiB)]]],
]

for (const [way, sizeBytes, runs] of shapes) {
  describe(`a ${way} transfer`, () => {
    test.each([200_000, 5_000_001])(
      'over which a bit is flipped (byte %i) gives the right file',
      async (at) => {
        await using server = await startSshServer()
        await using proxy = await startTcpProxy(server.ref.address.port)
        const source = await sparse(join(server.directory, 'disk.raw'), sizeBytes, runs)
        const flipped = proxy.breakAfter(at, 'flipped-bit')
        const { file, destination, left, ctx, error } = await bring(server, source, { proxy })
        await flipped
        expect(error).toBeUndefined()
        await expectSame(source, destination, file)
        expect(left).toEqual(['disk.raw'])
        expect(ctx.told.filter(({ message }) => message.includes('once more'))).toHaveLength(1)
      },
    )

    test('over which a bit is flipped leaves no file at all when it may not be repeated', async () => {
      await using server = await startSshServer()
      await using proxy = await startTcpProxy(server.ref.address.port)
      const source = await sparse(join(server.directory, 'disk.raw'), sizeBytes, runs)
      const flipped = proxy.breakAfter(9_000_000, 'flipped-bit')
      const { left, error } = await bring(server, source, { proxy, maxAttempts: 1 })
      await flipped
      expect(error).toMatchObject({ code: 'transfer-interrupted', class: 'infra' })
      expect(left).toEqual([])
    })

    test('says that the disk here has filled up in the middle, at once, and leaves nothing half', async () => {
      await using server = await startSshServer()
      await using proxy = await startTcpProxy(server.ref.address.port)
      proxy.bytesPerSecond = 20_000_000
      const source = await sparse(join(server.directory, 'disk.raw'), sizeBytes, runs)
      const small = join(server.directory, 'small')
      await mkdir(small)
      await execa('mount', ['-t', 'tmpfs', '-o', 'size=120m', 'tmpfs', small])
      try {
        const bringing = bring(server, source, { proxy, directory: small })
        await eventually('the first half', async () => {
          const { blocks } = await stat(join(small, 'disk.raw.partial')).catch(() => ({ blocks: 0 }))
          return blocks * 512 > 24 * MiB
        })
        // It stops where no space is left, which is what is wanted.
        await execa('dd', ['if=/dev/zero', `of=${join(small, 'other')}`, 'bs=1M'], { reject: false })
        const { error, left, ctx } = await bringing
        const cause = way === 'packed' ? { cause: { code: 'ENOSPC' } } : { code: 'transfer-interrupted' }
        expect(error).toMatchObject({ code: 'store-full', class: 'user', cause })
        expect(left).toEqual(['other'])
        expect(ctx.told.filter(({ message }) => message.includes('once more'))).toEqual([])
      } finally {
        await execa('umount', [small])
      }
    })
  })
}

describe.concurrent('a link that goes dead in the middle', () => {
  test.each(shapes)(
    'of a %s transfer is noticed within 20 s; the file comes when the network is back',
    async (...shape) => {
      await using server = await startSshServer()
      await using proxy = await startTcpProxy(server.ref.address.port)
      const source = await sparse(join(server.directory, 'disk.raw'), shape[1], shape[2])
      const bringing = bring(server, source, { proxy })
      await proxy.breakAfter(5_000_000, 'black-hole')
      const { accepted } = proxy
      await eventually('another connection', () => proxy.accepted > accepted, 22_000)
      proxy.pass()
      const { file, destination, left } = await bringing
      await expectSame(source, destination, file)
      expect(left).toEqual(['disk.raw'])
    },
  )
})

describe('a file of four terabytes that is all holes', () => {
  const enormous = async (directory: string) => {
    const source = join(directory, 'disk.raw')
    await writeFile(source, 'content')
    await truncate(source, 4_000_000 * MiB)
    return source
  }

  test('is hashed no longer than the transfer may take, and nobody reads it any more', async () => {
    await using server = await startSshServer()
    const source = await enormous(server.directory)
    const limits = { limitMs: 3_000, maxSizeBytes: Number.MAX_SAFE_INTEGER }
    const { error, left } = await bring(server, source, limits)
    expect(error).toMatchObject({ code: 'transfer-too-slow', class: 'timeout' })
    expect(left).toEqual([])
    expect(await openedBelow(server.directory)).toEqual([])
  })

  test('is left when somebody stops the release', async () => {
    await using server = await startSshServer()
    const source = await enormous(server.directory)
    const stopped = new AbortController()
    const ctx = testContext(stopped.signal)
    const bringing = bring(server, source, { ctx, maxSizeBytes: Number.MAX_SAFE_INTEGER })
    const twice = async () => (await openedBelow(join(server.directory, 'here'))).length === 2
    await eventually('the hashing, beside the writing', twice)
    stopped.abort(new Error('Ctrl-C'))
    const { error, left } = await bringing
    expect(error).toMatchObject({ message: 'Ctrl-C' })
    expect(left).toEqual([])
    expect(await openedBelow(server.directory)).toEqual([])
  })
})

test('only the network can stall a transfer: what this machine does afterwards may take its time', async () => {
  vi.useFakeTimers()
  try {
    using progress = watchTransfer(testContext(), { label: 'disk', totalBytes: 1, limitMs: 3_600_000 })
    const work = Promise.withResolvers<string>()
    const working = progress.ownWork(work.promise)
    await vi.advanceTimersByTimeAsync(600_000)
    expect(progress.signal.aborted).toBe(false)
    work.resolve('hashed')
    expect(await working).toBe('hashed')
    await vi.advanceTimersByTimeAsync(121_000)
    expect(progress.signal.reason).toMatchObject({ code: 'transfer-stalled' })
  } finally {
    vi.useRealTimers()
  }
})

test('a failed write to the disk that an early sync was told of is not forgotten by the one at the end', async () => {
  const broken = new Error('EIO: i/o error, fdatasync')
  const flush = flushInTime({ datasync: () => Promise.reject(broken), sync: () => Promise.resolve() })
  flush.arrived(1024 * MiB)
  await expect(flush.end()).rejects.toBe(broken)
})

/** The files below a directory that this process has open. */
async function openedBelow(directory: string): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd')
  const paths = await Promise.all(descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return paths.filter((path) => path.startsWith(`${directory}/`))
}
