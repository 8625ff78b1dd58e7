import { cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { ArchitectureName } from '#arch/index.ts'
import { keepNeededModules } from './base-disk-modules.ts'
import { cached, type Report } from './cache.ts'
import { debianTree } from './debian-tree.ts'
import { writeRootInitramfs } from './oci-base-initramfs.ts'
import { configureBaseTree } from './oci-base-tree.ts'
import { type Layer, readLayer, writeLayer } from './oci-layer.ts'
import { fileContents } from './oci-recipe.ts'
import { words } from './words.ts'

/** The parts of the base image for one architecture; the stand-in for bootc-image-builder stands on `system` alone. */
export interface BaseLayers {
  /** systemd, sshd and the usual commands. */
  readonly system: Layer
  /** Kernel, modules and initramfs under /usr/lib/modules, where bootc images have them. */
  readonly kernel: Layer
  /** The tree of the system layer, for what has to be compared with it; read-only by agreement. */
  readonly systemTree: string
}

const packages = words(`
  base-files base-passwd bash busybox-static coreutils dash debianutils findutils grep gzip hostname kmod
  libc-bin login mawk mount passwd procps sed systemd systemd-sysv udev openssh-server tar util-linux
`)
const kernelPackage: Record<ArchitectureName, string> = {
  x86_64: 'linux-image-cloud-amd64',
  aarch64: 'linux-image-cloud-arm64',
  ppc64le: 'linux-image-powerpc64le',
  s390x: 'linux-image-s390x',
}
const copyDeadlineMs = 120_000
/** Debian's kernels that unpack themselves have 5 to 12 MB, the others 30 and more. */
const uncompressedBytes = 20_000_000

/** Everything that decides what the base image is; a change in it is another image. */
export async function baseRecipe(): Promise<unknown> {
  const sources = [
    'oci-base*.ts',
    'oci-base-init.sh',
    'cloud-seed.ts',
    'quick-boot.ts',
    'base-disk-modules.ts',
    'debian-tree.ts',
    'oci-layer.ts',
  ]
  return {
    packages,
    kernelPackage,
    sources: await fileContents(sources),
    files: await fileContents(['oci-base-files/**', 'cloud-seed/**', 'quick-boot/**']),
  }
}

/** Makes the layers of the base image for one architecture, or finds them in the cache. */
export async function baseLayers(arch: ArchitectureName, report: Report): Promise<BaseLayers> {
  const recipe = { arch, ...((await baseRecipe()) as object) }
  const directory = await cached(`oci-base-${arch}`, recipe, async (made) => {
    const request = { name: 'oci-base-tree', arch, packages: [...packages, kernelPackage[arch]] }
    const unpacked = await debianTree(request, report)
    report(`${arch}: making the layers of the base image`)
    await mkdir(made)
    const [system, kernel] = [join(made, 'tree'), join(made, 'kernel-tree')]
    await execa('cp', ['-a', unpacked, system], { timeout: copyDeadlineMs })
    await separateKernel(system, kernel)
    await configureBaseTree(system)
    await writeLayer(system, join(made, 'system'))
    await writeLayer(kernel, join(made, 'kernel'))
    await rm(kernel, { recursive: true })
  })
  return {
    system: await readLayer(join(directory, 'system')),
    kernel: await readLayer(join(directory, 'kernel')),
    systemTree: join(directory, 'tree'),
  }
}

/** Moves the kernel's files out of a tree into one of their own, laid out as in bootc images, and adds the initramfs. */
async function separateKernel(tree: string, kernelTree: string): Promise<void> {
  const modules = await keepNeededModules(tree)
  const home = join(tree, 'usr/lib/modules', modules.kernelVersion)
  const boot = join(tree, 'boot')
  const [image = ''] = (await readdir(boot)).filter((name) => name.startsWith('vmlinu'))
  await rename(join(boot, image), join(home, 'vmlinuz'))
  await compress(join(home, 'vmlinuz'))
  await writeRootInitramfs(tree, modules, join(home, 'initramfs.img'))
  await cp(home, join(kernelTree, 'usr/lib/modules', modules.kernelVersion), { recursive: true })
  await rm(join(tree, 'usr/lib/modules'), { recursive: true })
}

/** Kernels that do not unpack themselves are packed with gzip, which GRUB reads; emulated machines handle them less long. */
async function compress(kernel: string): Promise<void> {
  const { size } = await stat(kernel)
  if (size < uncompressedBytes) return
  await execa('gzip', ['-9', '--no-name', kernel], { timeout: copyDeadlineMs })
  await rename(`${kernel}.gz`, kernel)
}
