import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { deleteWhenClosed } from '#clouds/libvirt/volumes.ts'

/** libvirt says this for moments that nobody can prolong, so here a program says it in virsh's place. */
async function virshThatFindsItInUse(): Promise<AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'factory-test-virsh-'))
  const program = `#!/bin/sh\necho "error: volume 'disk.raw' is still in use." >&2\nexit 1\n`
  await writeFile(join(directory, 'virsh'), program, { mode: 0o755 })
  vi.stubEnv('PATH', `${directory}:${process.env['PATH']}`)
  return {
    async [Symbol.asyncDispose]() {
      vi.unstubAllEnvs()
      await rm(directory, { recursive: true })
    },
  }
}

test('a volume in use is tried again at growing intervals, and no longer than the signal allows', async () => {
  await using _virsh = await virshThatFindsItInUse()
  const hypervisor = { region: 'local', uri: 'qemu:///system', connection: 'qemu:///system' }
  const pool = { hypervisor, name: 'pool', path: '/nowhere', availableBytes: 0, capacityBytes: 0 }
  const looks: number[] = []
  const mayBeDeleted = async () => looks.push(performance.now()) > 0
  const deleted = deleteWhenClosed(pool, 'disk.raw', AbortSignal.timeout(2500), mayBeDeleted)
  await expect(deleted).rejects.toMatchObject({ name: expect.stringMatching(/AbortError|TimeoutError/) })
  expect(performance.now() - looks[0]!).toBeLessThan(3000)
  const gaps = looks.slice(1).map((look, index) => look - looks[index]!)
  for (const [index, gap] of gaps.entries()) expect(gap).toBeGreaterThan(99 * 2 ** index)
  expect(gaps.length).toBeGreaterThan(1)
})
