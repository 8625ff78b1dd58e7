import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { words } from './words.ts'

export interface KernelModules {
  readonly kernelVersion: string
  /** Absolute paths in the order in which they have to be inserted before the root file system can be mounted. */
  readonly early: readonly string[]
}

// crc32c_generic is a dependency of ext4 that not every modules.dep tells of.
const earlyModules = words('crc32c_generic virtio_pci virtio_blk ext4 virtio_net virtio_rng isofs')
const laterModules = words('autofs4 loop overlay vfat nls_ascii nls_cp437 nls_iso8859-1 nls_utf8')
/** For containers and for the disks that are made in them, beside what every machine of the lab has. */
export const modulesOfBuilders = words(`
  fuse xfs tun bridge veth nft_chain_nat nft_ct nft_fib_inet nft_masq nft_nat nft_reject_inet
`)
const deadlineMs = 120_000

/**
 * Leaves only the kernel modules that a machine of the lab uses in the tree, and `more`, decompressed, and indexes them as the kernel package's
 * maintainer script would have. With all of them present udev would load drivers for seconds of emulated time.
 */
export async function keepNeededModules(tree: string, more: readonly string[] = []): Promise<KernelModules> {
  const directory = join(tree, 'lib/modules')
  const [kernelVersion = ''] = await readdir(directory)
  await execa('depmod', ['-b', tree, kernelVersion], { timeout: deadlineMs })

  const early = await withDependencies(tree, kernelVersion, earlyModules)
  const later = await withDependencies(tree, kernelVersion, [...laterModules, ...more])
  const kept = new Set([...early, ...later])
  await removeExcept(kept, join(directory, kernelVersion))
  const compressed = [...kept].filter((path) => path.endsWith('.xz'))
  if (compressed.length > 0) await execa('xz', ['-d', ...compressed], { timeout: deadlineMs })
  await execa('depmod', ['-b', tree, kernelVersion], { timeout: deadlineMs })
  return { kernelVersion, early: early.map((path) => path.replace(/\.xz$/, '')) }
}

async function withDependencies(
  tree: string,
  kernelVersion: string,
  modules: readonly string[],
): Promise<string[]> {
  // Modules that this kernel has built in or lacks are named on stderr and in the exit code; both are fine here.
  const { stdout } = await execa(
    'modprobe',
    ['-S', kernelVersion, '-d', tree, '--show-depends', '-a', ...modules],
    { reject: false, timeout: deadlineMs },
  )
  const paths = [...stdout.matchAll(/^insmod (\S+)/gm)].map((match) => match[1] as string)
  return [...new Set(paths)]
}

async function removeExcept(kept: ReadonlySet<string>, directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true })) {
    const path = join(directory, entry)
    if (/\.ko(\.xz)?$/.test(path) && !kept.has(path)) await rm(path)
  }
}
