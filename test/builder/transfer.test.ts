import { randomBytes } from 'node:crypto'
import { mkdir, readFile, readdir, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { openBuilder } from '#src/builder/session.ts'
import { eventually, startSshServer } from '#test/servers/sshd.ts'
import type { SshServer } from '#test/servers/sshd.ts'
import { KiB, MiB, bring, expectSame, sparse, text } from './bring.ts'
import { testContext } from './test-context.ts'

describe('every shape of file arrives with the digest that sha256sum says', () => {
  const shapes: [string, number, [number, Buffer][]][] = [
    ['empty', 0, []],
    ['one byte', 1, [[0, Buffer.from('x')]]],
    ['dense and not compressible', 9 * MiB + 7, [[0, randomBytes(9 * MiB + 7)]]],
    ['dense and compressible', 9 * MiB + 513, [[0, text(9 * MiB + 513)]]],
    ['only a hole', 300 * MiB, []],
    ['a hole at the end', 64 * MiB, [[0, randomBytes(3 * MiB)]]],
    ['a hole at the beginning, ragged end', 20 * MiB + 5, [[20 * MiB, Buffer.from('tail!')]]],
    [
      'many pieces',
      256 * MiB,
      Array.from({ length: 64 }, (_, i) => [i * 4 * MiB + 64 * KiB, randomBytes(68 * KiB)]),
    ],
  ]
  for (const [name, sizeBytes, runs] of shapes) {
    test(name, async () => {
      await using server = await startSshServer()
      const source = await sparse(join(server.directory, 'disk.raw'), sizeBytes, runs)
      const { file, destination, left, error } = await bring(server, source)
      expect(error).toBeUndefined()
      await expectSame(source, destination, file)
      expect(left).toEqual(['disk.raw'])
      const { blocks } = await stat(destination)
      expect(blocks * 512).toBeLessThanOrEqual((await stat(source)).blocks * 512 + 64 * KiB)
      expect(file?.extents.reduce((sum, { length }) => sum + length, 0)).toBe(file?.contentBytes)
    })
  }

  test('from a builder without python3, which sends what GNU tar makes', async () => {
    await using server = await startSshServer({ without: ['python3'] })
    const runs: [number, Buffer][] = [
      [MiB, text(MiB)],
      [30 * MiB, randomBytes(MiB + 5)],
    ]
    const source = await sparse(join(server.directory, 'disk.raw'), 40 * MiB + 5, runs)
    const { file, destination, error } = await bring(server, source)
    expect(error).toBeUndefined()
    await expectSame(source, destination, file)
  })

  test('a name with spaces, quotes and a dash in front, in such a directory', async () => {
    await using server = await startSshServer()
    const directory = join(server.directory, "a 'dir' $(x)")
    await mkdir(directory)
    const source = await sparse(join(directory, "-n 'disk' ü.raw"), 40 * MiB, [[MiB, text(MiB)]])
    const { file, destination } = await bring(server, source)
    await expectSame(source, destination, file)
  })

  test('progress comes in bytes and ends with all of them', async () => {
    await using server = await startSshServer()
    const source = await sparse(join(server.directory, 'disk.raw'), 100 * MiB, [[0, randomBytes(20 * MiB)]])
    const { ctx } = await bring(server, source)
    const last = ctx.told.at(-1)
    expect(last).toMatchObject({ message: 'x86_64 disk.raw', unit: 'bytes', done: 20 * MiB, total: 20 * MiB })
  })
})

describe('an interrupted transfer', () => {
  for (const [name, content] of [
    ['packed', Buffer.concat(Array.from({ length: 200 }, () => [randomBytes(MiB), text(MiB)]).flat())],
    ['plain', randomBytes(200 * MiB)],
  ] as const) {
    test(`starts again from the beginning and leaves nothing half (${name})`, async () => {
      await using server = await startSshServer()
      const source = join(server.directory, 'disk.raw')
      await writeFile(source, content)
      const running = bring(server, source)
      const partial = join(server.directory, 'here/disk.raw.partial')
      await eventually(
        'the first bytes',
        async () => ((await stat(partial).catch(() => undefined))?.size ?? 0) > 0,
      )
      await server.cutConnections()
      const { file, destination, left, ctx, error } = await running
      expect(error).toBeUndefined()
      await expectSame(source, destination, file)
      expect(left).toEqual(['disk.raw'])
      expect(ctx.told.some(({ message }) => message.includes('once more from the beginning'))).toBe(true)
    })
  }

  test('fails with the network named when it is interrupted too often', async () => {
    await using server = await startSshServer()
    const source = join(server.directory, 'disk.raw')
    await writeFile(source, randomBytes(200 * MiB))
    const running = bring(server, source, { maxAttempts: 1 })
    const partial = join(server.directory, 'here/disk.raw.partial')
    await eventually(
      'the first bytes',
      async () => ((await stat(partial).catch(() => undefined))?.size ?? 0) > 0,
    )
    await server.cutConnections()
    const { error, left } = await running
    expect(error).toMatchObject({ code: 'transfer-interrupted', class: 'infra' })
    expect(left).toEqual([])
  })
})

describe('what a builder must not get away with', () => {
  test('a file larger than allowed is refused before it travels', async () => {
    await using server = await startSshServer()
    const source = join(server.directory, 'disk.raw')
    await writeFile(source, '')
    await truncate(source, 8_000_000 * MiB)
    const { error, left } = await bring(server, source)
    expect(error).toMatchObject({ code: 'artifact-too-large', class: 'user' })
    expect(left).toEqual([])
  })

  test('a symbolic link, a directory, a pipe or nothing instead of the file is refused', async () => {
    await using server = await startSshServer()
    await mkdir(join(server.directory, 'directory'))
    await execa('ln', ['-s', '/etc/passwd', join(server.directory, 'link')])
    await execa('mkfifo', [join(server.directory, 'pipe')])
    for (const name of ['directory', 'link', 'pipe', 'nothing']) {
      const { error } = await bring(server, join(server.directory, name))
      expect(error).toMatchObject({ code: 'artifact-missing' })
    }
  })

  const packedSource = (server: SshServer) =>
    sparse(join(server.directory, 'disk.raw'), 64 * MiB, [[MiB, text(8 * MiB)]])

  test('a digest that is not the one of what was sent', async () => {
    await using server = await startSshServer({
      lies: { openssl: `cat >/dev/null; echo "${'0'.repeat(64)} *stdin"` },
    })
    const dense = join(server.directory, 'dense')
    await writeFile(dense, randomBytes(8 * MiB))
    const { error, left } = await bring(server, dense, { maxAttempts: 2 })
    expect(error).toMatchObject({ code: 'artifact-corrupt', message: expect.stringContaining('sha256') })
    expect(left).toEqual([])
  })

  test('a compressed stream without a checksum of what it holds', async () => {
    await using server = await startSshServer({ lies: { zstd: 'real "$@" --no-check' } })
    const { error, left } = await bring(server, await packedSource(server), { maxAttempts: 1 })
    expect(error).toMatchObject({ code: 'artifact-corrupt', message: expect.stringContaining('no checksum') })
    expect(left).toEqual([])
  })

  test('a compressed stream with a byte flipped', async () => {
    const program = `if [ "$*" = "-q -1 -c" ]; then real "$@"; else real "$@" | { head -c 4000; head -c 1 | LC_ALL=C tr '\\0-\\377' '\\1-\\377\\0'; cat; }; fi`
    await using server = await startSshServer({ lies: { zstd: program } })
    const disk = join(server.directory, 'disk.raw')
    const source = await sparse(disk, 64 * MiB, [[MiB, randomBytes(8 * MiB)]])
    const { error, left } = await bring(server, source, { maxAttempts: 1 })
    expect(error).toMatchObject({ code: 'artifact-corrupt', message: expect.stringContaining('unpack') })
    expect(left).toEqual([])
  })

  test('half of the content, packed as if it were all, by a sender that failed', async () => {
    const half =
      'tar -S --format=pax -C "$3" -cf - "$4" | head -c 4M | zstd -q -c; echo "input/output error" >&2; exit 1'
    await using server = await startSshServer({ lies: { python3: half } })
    const { error, left } = await bring(server, await packedSource(server), { maxAttempts: 1 })
    expect(error).toMatchObject({
      code: 'transfer-interrupted',
      message: expect.stringContaining('input/output error'),
    })
    expect(left).toEqual([])
  })

  test('another file, or more files than one, in the stream', async () => {
    await using server = await startSshServer({
      lies: { python3: 'tar -C /etc --format=pax -cf - passwd | zstd -q -c' },
    })
    const { error, left } = await bring(server, await packedSource(server))
    expect(error).toMatchObject({ code: 'artifact-refused', message: expect.stringContaining('passwd') })
    expect(left).toEqual([])
  })

  test('more bytes than it said, without end', async () => {
    await using server = await startSshServer({
      lies: { cat: `case "$*" in --*) real /dev/zero;; *) real "$@";; esac` },
    })
    const dense = join(server.directory, 'dense')
    await writeFile(dense, randomBytes(8 * MiB))
    const { error, left } = await bring(server, dense, { maxAttempts: 1 })
    expect(error).toMatchObject({ code: 'artifact-corrupt', message: expect.stringContaining('longer') })
    expect(left).toEqual([])
  })

  test('sizes that are no numbers', async () => {
    await using server = await startSshServer({ lies: { stat: `echo '1e9; reboot'` } })
    const { error } = await bring(server, await packedSource(server))
    expect(error).toMatchObject({ code: expect.stringMatching(/artifact-refused|remote-command-failed/) })
  })
})

test('a full disk here is said before anything travels', async () => {
  await using server = await startSshServer()
  const source = await sparse(join(server.directory, 'disk.raw'), 64 * MiB, [[0, randomBytes(8 * MiB)]])
  const small = join(server.directory, 'small')
  await mkdir(small)
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small])
  try {
    const ctx = testContext()
    await using builder = await openBuilder(server.ref, server.access, ctx)
    const fetching = builder.fetch(source, join(small, 'disk.raw'), {
      ctx,
      label: 'x',
      maxSizeBytes: 100 * MiB,
    })
    await expect(fetching).rejects.toMatchObject({ code: 'store-full', class: 'user' })
    expect(await readdir(small)).toEqual([])
  } finally {
    await execa('umount', [small])
  }
})

test('what was there under the name is replaced only by the complete file', async () => {
  await using server = await startSshServer()
  await mkdir(join(server.directory, 'here'))
  await writeFile(join(server.directory, 'here/disk.raw'), 'old')
  await bring(server, join(server.directory, 'nothing'))
  expect(await readFile(join(server.directory, 'here/disk.raw'), 'utf8')).toBe('old')
})
