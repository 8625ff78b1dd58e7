import { glob, lstat, mkdir, readdir, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { execa } from 'execa'
import type { ArchitectureName } from '#arch/index.ts'
import { cached, type Report } from './cache.ts'
import { debianTree } from './debian-tree.ts'
import { baseLayers, baseRecipe } from './oci-base.ts'
import { type Layer, readLayer, writeLayer } from './oci-layer.ts'
import { fileContents } from './oci-recipe.ts'
import { words } from './words.ts'

const packages = words('base-files dash dosfstools e2fsprogs fdisk jq mtools qemu-utils')
const bootLoader: Record<ArchitectureName, string[]> = {
  x86_64: ['grub-common', 'grub-pc-bin', 'grub-efi-amd64-bin'],
  aarch64: ['grub-common', 'grub-efi-arm64-bin'],
  ppc64le: ['grub-common', 'grub-ieee1275-bin'],
  s390x: ['s390-tools'],
}
// Of gconv stays what mtools converts the names of files with.
const leftOut = words(`
  boot etc/!(mke2fs.conf) var usr/share usr/include usr/games usr/local usr/src
  usr/lib/!(grub|s390-tools|*-linux-gnu) usr/lib/grub/*/monolithic usr/lib/grub/*/*.{image,exec,module}
  usr/lib/*/{perl,perl-base,perl5,krb5,qemu,engines-3,ossl-modules} usr/lib/*/libgio-2.0.*
  usr/lib/*/gconv/!(gconv-modules*|IBM850.so)
  usr/bin/!(grub-mkimage|jq|mcopy|mmd|mtools|qemu-img) usr/sbin/!(mke2fs|mkfs.fat|sfdisk|zipl)
`)
const copyDeadlineMs = 120_000

/** Everything that decides what the stand-in's image is; a change in it is another image. */
export async function standinRecipe(): Promise<unknown> {
  const sources = ['oci-bib-standin.ts', 'bib-standin/**']
  return { base: await baseRecipe(), packages, bootLoader, sources: await fileContents(sources) }
}

/**
 * The layer that makes a disk builder out of the base image's system layer: the tools for disks and boot loaders, and the
 * program itself. It names no file that the system layer has already.
 */
export async function standinLayer(arch: ArchitectureName, report: Report): Promise<Layer> {
  const recipe = { arch, ...((await standinRecipe()) as object) }
  const directory = await cached(`oci-bib-standin-${arch}`, recipe, async (made) => {
    const base = await baseLayers(arch, report)
    const request = { name: 'oci-bib-standin-tree', arch, packages: [...packages, ...bootLoader[arch]] }
    const unpacked = await debianTree(request, report)
    report(`${arch}: making the layer of the stand-in for bootc-image-builder`)
    await mkdir(made)
    const tree = join(made, 'tree')
    await execa('cp', ['-a', unpacked, tree], { timeout: copyDeadlineMs })
    await removeNeedless(tree, base.systemTree)
    await addProgram(tree)
    await writeLayer(tree, join(made, 'layer'))
    await rm(tree, { recursive: true })
  })
  return readLayer(join(directory, 'layer'))
}

async function removeNeedless(tree: string, systemTree: string): Promise<void> {
  for (const pattern of leftOut) {
    for await (const path of glob(pattern, { cwd: tree })) {
      await rm(join(tree, path), { recursive: true, force: true })
    }
  }
  for (const entry of await readdir(tree, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const known = await lstat(join(systemTree, relative(tree, path))).catch(() => undefined)
    if (known && !entry.isDirectory()) await rm(path)
  }
  await execa('find', [tree, '-mindepth', '1', '-depth', '-type', 'd', '-empty', '-delete'], {
    timeout: copyDeadlineMs,
  })
}

async function addProgram(tree: string): Promise<void> {
  const source = join(import.meta.dirname, 'bib-standin')
  await mkdir(join(tree, 'usr/bin'), { recursive: true })
  await execa('cp', [join(source, 'bootc-image-builder'), join(tree, 'usr/bin')], { timeout: copyDeadlineMs })
  await execa('cp', ['-r', join(source, 'lib'), join(tree, 'usr/lib/bib-standin')], {
    timeout: copyDeadlineMs,
  })
  await mkdir(join(tree, 'output'))
}
