import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { ensureLibvirt } from '#test/lab/libvirt.ts'

/** A storage pool of the real libvirt that goes with the test. */
export interface TestPool extends AsyncDisposable {
  readonly name: string
  /** Its directory, readable by the user that libvirt runs guests as. */
  readonly path: string
  files(): Promise<string[]>
}

export const localUri = 'qemu:///system'

/** Makes a pool; with `sizeMiB` on a file system of its own that is no bigger. Starts libvirt's daemons where none runs. */
export async function createTestPool(sizeMiB?: number): Promise<TestPool> {
  await ensureLibvirt((line) => process.stderr.write(`${line}\n`))
  const name = `factory-test-${randomBytes(4).toString('hex')}`
  const path = await mkdtemp('/var/tmp/factory-test-pool-')
  if (sizeMiB !== undefined) await execa('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', path])
  await chmod(path, 0o755)
  await virsh('pool-create-as', '--name', name, '--type', 'dir', '--target', path)
  return {
    name,
    path,
    files: async () => (await readdir(path)).toSorted(),
    async [Symbol.asyncDispose]() {
      await virsh('pool-destroy', '--pool', name)
      if (sizeMiB !== undefined) await execa('umount', [path])
      await rm(path, { recursive: true, force: true })
    },
  }
}

/** One call of virsh, as a person would make it. */
export async function virsh(...argv: string[]): Promise<string> {
  const { stdout } = await execa('virsh', ['-q', '-c', localUri, ...argv], { timeout: 60_000 })
  return stdout
}

/** Puts a file into a pool under a name, behind the factory's back. */
export async function putVolume(pool: TestPool, name: string, file: string): Promise<void> {
  await execa('cp', ['--sparse=always', file, join(pool.path, name)])
  await virsh('pool-refresh', '--pool', pool.name)
}
