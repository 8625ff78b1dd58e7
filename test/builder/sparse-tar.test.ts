import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { readSparseTar } from '#src/builder/transfer/sparse-tar.ts'
import type { Piece } from '#src/builder/transfer/sparse-tar.ts'

const expected = { name: 'disk.raw', maxSizeBytes: 2 ** 40 }

/** What GNU tar makes of a sparse file. */
async function tarOf(sizeBytes: number, runs: readonly [number, Buffer][]): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), 'sparse-tar-'))
  try {
    await using file = await open(join(directory, 'disk.raw'), 'w')
    await file.truncate(sizeBytes)
    for (const [offset, bytes] of runs) await file.write(bytes, 0, bytes.length, offset)
    await file.sync()
    const argv = ['--create', '--format=pax', '--sparse', '-C', directory, '-f', '-', 'disk.raw']
    return Buffer.from((await execa('tar', argv, { encoding: 'buffer' })).stdout)
  } finally {
    await rm(directory, { recursive: true })
  }
}

function read(stream: Buffer, cut = stream.length) {
  const tar = readSparseTar(expected)
  const pieces: Piece[] = []
  for (let at = 0; at < stream.length; at += cut) pieces.push(...tar.push(stream.subarray(at, at + cut)))
  tar.end()
  return { layout: tar.layout, pieces }
}

/** One header and its content, as tar lays it out. */
function member(type: string, name: string, content: Buffer, sizeBytes = content.length): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write(sizeBytes.toString(8).padStart(11, '0'), 124)
  header.write(' '.repeat(8), 148)
  header.write(type, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)])
}

function pax(records: Record<string, string>): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`
    let length = rest.length + 1
    while (String(length).length + rest.length !== length) length += 1
    return `${length}${rest}`
  })
  return member('x', 'PaxHeaders', Buffer.from(lines.join('')))
}

const end = Buffer.alloc(1024)
const sparseRecords = (sizeBytes: number) => ({
  'GNU.sparse.major': '1',
  'GNU.sparse.minor': '0',
  'GNU.sparse.name': 'disk.raw',
  'GNU.sparse.realsize': String(sizeBytes),
})

function sparseStream(sizeBytes: number, map: string, content: Buffer, storedBytes?: number): Buffer {
  const body = Buffer.concat([Buffer.from(map), Buffer.alloc((512 - (map.length % 512)) % 512), content])
  return Buffer.concat([
    pax(sparseRecords(sizeBytes)),
    member('0', 'GNUSparseFile.0/disk.raw', body, storedBytes),
    end,
  ])
}

describe('what GNU tar makes', () => {
  test('is read into extents and content, however it is cut', async () => {
    const first = randomBytes(8192)
    const last = randomBytes(4096 + 77)
    const stream = await tarOf(1024 * 1024 + 4096 + 77, [
      [65536, first],
      [1024 * 1024, last],
    ])
    for (const cut of [stream.length, 4096, 512, 97, 1]) {
      const { layout, pieces } = read(stream, cut)
      expect(layout).toEqual({
        sizeBytes: 1024 * 1024 + 4096 + 77,
        extents: [
          { offset: 65536, length: 8192 },
          { offset: 1024 * 1024, length: 4096 + 77 },
        ],
      })
      const bytes = Buffer.concat(pieces.map((piece) => piece.bytes))
      expect(bytes.equals(Buffer.concat([first, last]))).toBe(true)
      expect(pieces[0]?.offset).toBe(65536)
    }
  })

  test('is read when the file is dense, empty or one hole', async () => {
    const dense = read(await tarOf(5000, [[0, randomBytes(5000)]]))
    expect(dense.layout).toEqual({ sizeBytes: 5000, extents: [{ offset: 0, length: 5000 }] })
    expect(read(await tarOf(0, [])).layout).toEqual({ sizeBytes: 0, extents: [] })
    expect(read(await tarOf(1024 * 1024, [])).layout).toEqual({ sizeBytes: 1024 * 1024, extents: [] })
  })
})

describe('what a hostile sender makes is refused', () => {
  const content = Buffer.alloc(512, 1)
  const cases: [string, Buffer][] = [
    ['extents beyond the end', sparseStream(1000, '1\n600\n512\n', content)],
    [
      'extents that overlap',
      sparseStream(10_000, '2\n0\n512\n256\n512\n', Buffer.concat([content, content])),
    ],
    [
      'extents that go backwards',
      sparseStream(10_000, '2\n4096\n512\n0\n512\n', Buffer.concat([content, content])),
    ],
    [
      'more content than the extents hold',
      sparseStream(10_000, '1\n0\n512\n', Buffer.concat([content, content])),
    ],
    ['less content than the extents hold', sparseStream(10_000, '2\n0\n512\n1024\n512\n', content)],
    ['a map without numbers', sparseStream(10_000, 'one\n', content)],
    ['negative numbers', sparseStream(10_000, '1\n-512\n512\n', content)],
    ['numbers that are too long', sparseStream(10_000, `${'9'.repeat(600)}\n`, content)],
    ['a million extents', sparseStream(10_000, '1000000\n', content)],
    ['another file', Buffer.concat([pax({ path: '../../etc/passwd' }), member('0', 'x', content), end])],
    [
      'a symbolic link',
      Buffer.concat([pax({ path: 'disk.raw' }), member('2', 'disk.raw', Buffer.alloc(0)), end]),
    ],
    ['no pax header', Buffer.concat([member('0', 'disk.raw', content), end])],
    [
      'a second file',
      Buffer.concat([pax({ path: 'disk.raw' }), member('0', 'disk.raw', content), member('0', 'x', content)]),
    ],
    [
      'another sparse format',
      Buffer.concat([pax({ ...sparseRecords(9), 'GNU.sparse.major': '0' }), member('0', 'x', content), end]),
    ],
    ['a broken header', Buffer.concat([pax({ path: 'disk.raw' }), Buffer.alloc(512, 7), end])],
    ['a huge pax header', member('x', 'PaxHeaders', Buffer.alloc(70_000))],
    [
      'a broken pax header',
      Buffer.concat([member('x', 'PaxHeaders', Buffer.from('99 path=disk.raw\n')), end]),
    ],
  ]
  for (const [name, stream] of cases) {
    test(name, () => {
      expect(() => read(stream)).toThrow(expect.objectContaining({ code: 'artifact-refused' }))
      expect(() => read(stream, 100)).toThrow(expect.objectContaining({ code: 'artifact-refused' }))
    })
  }

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['an early end', sparseStream(10_000, '1\n0\n512\n', content).subarray(0, -700)],
  ])('%s, which is no refusal: whoever sent it may say why', (_name, stream) => {
    for (const pieceBytes of [undefined, 100])
      expect(() => read(stream, pieceBytes)).toThrow(new Error('the archive in it ends too early'))
  })

  test('a size beyond the limit', () => {
    const stream = sparseStream(2 ** 41, '0\n', Buffer.alloc(0))
    expect(() => read(stream)).toThrow(expect.objectContaining({ code: 'artifact-too-large' }))
  })

  test('zeros without end after the content', () => {
    const stream = Buffer.concat([sparseStream(512, '1\n0\n512\n', content), Buffer.alloc(2 * 1024 * 1024)])
    expect(() => read(stream)).toThrow(expect.objectContaining({ code: 'artifact-refused' }))
  })
})
