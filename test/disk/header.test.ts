import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readHeader } from '#src/disk/header.ts'

let directory = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'disk-header-'))
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** Made by the real qemu-img. */
async function qcow2(name: string, ...options: string[]): Promise<Buffer> {
  const path = join(directory, name)
  await execa('qemu-img', ['create', '-q', '-f', 'qcow2', ...options, path, '10G'], { cwd: directory })
  return (await readFile(path)).subarray(0, 512)
}

function raw(): Buffer {
  const sector = Buffer.alloc(512)
  sector.writeUInt16BE(0x55aa, 510)
  return sector
}

describe('a qcow2 file', () => {
  test.each(['compat=0.10', 'compat=1.1'])('with %s says the size of the disk inside', async (compat) => {
    const header = readHeader('qcow2', await qcow2(`${compat}.qcow2`, '-o', compat), 196_624)
    expect(header).toEqual({ ok: true, virtualBytes: 10 * 1024 ** 3 })
  })

  test('is refused when it names a backing file, for that may be any file of ours', async () => {
    await qcow2('base.qcow2')
    const header = readHeader('qcow2', await qcow2('over.qcow2', '-b', 'base.qcow2', '-F', 'qcow2'), 196_624)
    expect(header).toEqual({ ok: false, reason: 'it names a backing file' })
  })

  test('is refused when its content is in another file', async () => {
    const header = readHeader('qcow2', await qcow2('out.qcow2', '-o', 'data_file=elsewhere.raw'), 196_624)
    expect(header).toEqual({ ok: false, reason: 'it names an external data file' })
  })

  test('is refused when it is something else, cut off, or too large to be true', async () => {
    expect(readHeader('qcow2', raw(), 512)).toMatchObject({ ok: false })
    expect(readHeader('qcow2', Buffer.alloc(0), 0)).toMatchObject({
      ok: false,
      reason: 'it has only 0 bytes',
    })
    const huge = await qcow2('huge.qcow2')
    huge.writeBigUInt64BE(2n ** 62n, 24)
    expect(readHeader('qcow2', huge, 196_624)).toMatchObject({ ok: false })
  })
})

describe('a raw file', () => {
  test('is as large as its disk', () => {
    expect(readHeader('raw', raw(), 10 * 1024 ** 3)).toEqual({ ok: true, virtualBytes: 10 * 1024 ** 3 })
  })

  test('is refused without a partition table, at odd sizes and when it is tiny', () => {
    expect(readHeader('raw', Buffer.alloc(512), 1024 ** 3)).toMatchObject({ ok: false })
    expect(readHeader('raw', raw(), 1024 ** 3 + 1)).toMatchObject({ ok: false })
    expect(readHeader('raw', raw(), 512)).toMatchObject({ ok: false })
  })
})
