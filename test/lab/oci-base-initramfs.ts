import { chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { execa } from 'execa'
import type { KernelModules } from './base-disk-modules.ts'

const deadlineMs = 60_000

/**
 * Writes an initramfs of two megabytes that mounts the file system which `root=` names (a device, UUID= or LABEL=) and
 * hands over to it: busybox, the modules for virtio disks, and one script. `tree` is where busybox is taken from.
 */
export async function writeRootInitramfs(
  tree: string,
  modules: KernelModules,
  output: string,
): Promise<void> {
  const work = `${output}.tree`
  for (const folder of ['bin', 'modules', 'dev', 'proc', 'sys', 'root']) {
    await mkdir(join(work, folder), { recursive: true })
  }
  await copyFile(join(tree, 'usr/bin/busybox'), join(work, 'bin/busybox'))
  for (const path of modules.early) await copyFile(path, join(work, 'modules', basename(path)))
  await writeFile(join(work, 'modules/order'), modules.early.map((path) => `${basename(path)}\n`).join(''))
  await writeFile(join(work, 'init'), await readFile(join(import.meta.dirname, 'oci-base-init.sh'), 'utf8'))
  await chmod(join(work, 'init'), 0o755)

  // The archive holds times, and the same image shall come out of the same files.
  await execa('find', ['.', '-exec', 'touch', '-h', '-d', '@0', '{}', '+'], {
    cwd: work,
    timeout: deadlineMs,
  })
  const files = await execa('find', ['.', '-mindepth', '1', '-printf', '%P\n'], {
    cwd: work,
    timeout: deadlineMs,
  })
  const names = files.stdout.split('\n').toSorted().join('\n')
  const archive = ['-o', '-H', 'newc', '--quiet', '--reproducible', '-O', output]
  await execa('cpio', archive, { cwd: work, input: names, timeout: deadlineMs })
  await rm(work, { recursive: true })
}
