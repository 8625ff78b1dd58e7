import { randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import type { OursResult, OursTask } from '../bench/transfer-ours.ts'
import { startSshServer } from '../servers/sshd.ts'

const MiB = 1024 ** 2

test.each(['packed', 'plain'])(
  'a disk far larger than the memory that may be used for it arrives whole (%s)',
  async (way) => {
    await using server = await startSshServer()
    const source = join(server.directory, 'disk.raw')
    await using file = await open(source, 'w')
    for (let written = 0; written < 768; written += 32) {
      // What does not shrink travels as it is.
      await file.write(way === 'plain' ? randomBytes(32 * MiB) : Buffer.alloc(32 * MiB, `line ${written}\n`))
    }
    const destination = join(server.directory, 'arrived')
    const { privateKeyFile } = server.access
    const task: OursTask = { ref: server.ref, privateKeyFile, source, destination }
    const program = new URL('../bench/transfer-ours.ts', import.meta.url).pathname
    const { stdout } = await execa(process.execPath, [program], { input: JSON.stringify(task) })
    const { peakBytes, sha256 } = JSON.parse(stdout) as OursResult
    const { stdout: sum } = await execa('sha256sum', [source])
    expect(sum.slice(0, 64)).toBe(sha256)
    expect(peakBytes).toBeLessThan(256 * MiB)
  },
)
