import { copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { ArchitectureName } from '#arch/index.ts'
import { pythonBytecode } from './base-disk-bytecode.ts'
import { rootLabel, writeInitramfs } from './base-disk-initramfs.ts'
import { keepNeededModules, modulesOfBuilders } from './base-disk-modules.ts'
import { baseDiskPackages } from './base-disk-packages.ts'
import { baseDiskFiles, configureTree } from './base-disk-tree.ts'
import { cached, recipeDigest, type Report } from './cache.ts'
import { cloudSeedFiles } from './cloud-seed.ts'
import { debianTree, debianTreeRecipe } from './debian-tree.ts'
import { quickBootFiles } from './quick-boot.ts'

/** A disk that boots with its own kernel and initramfs into systemd, sshd, podman and what reads a NoCloud seed. */
export interface BaseDisk {
  readonly arch: ArchitectureName
  /** Twelve hex digits of everything that the disk is made from. */
  readonly digest: string
  /** Paths of files: a qcow2, the kernel and the initramfs. */
  readonly disk: string
  readonly kernel: string
  readonly initrd: string
}

const virtualSize = '6G'
const deadlineMs = 5 * 60_000

/** Makes the base disk of an architecture's builders, or finds it in the cache: about a minute once, then no time. */
export async function builderBaseDisk(arch: ArchitectureName, report: Report): Promise<BaseDisk> {
  const packages = { name: 'builder-base', arch, packages: baseDiskPackages(arch) }
  const recipe = { tree: debianTreeRecipe(packages), virtualSize, sources: await sources() }
  const directory = await cached(`base-disk-${arch}`, recipe, async (made) => {
    const tree = await debianTree(packages, report)
    const bytecode = await pythonBytecode(report)
    report(`${arch}: making the builder's base disk`)
    await mkdir(made)
    await makeDisk(arch, tree, bytecode, made)
  })
  return {
    arch,
    digest: recipeDigest(recipe),
    disk: join(directory, 'disk.qcow2'),
    kernel: join(directory, 'kernel'),
    initrd: join(directory, 'initrd'),
  }
}

async function makeDisk(
  arch: ArchitectureName,
  unpacked: string,
  bytecode: string,
  directory: string,
): Promise<void> {
  const tree = join(directory, 'tree')
  await execa('cp', ['-a', unpacked, tree], { timeout: deadlineMs })
  await configureTree(tree, arch, bytecode)
  const modules = await keepNeededModules(tree, modulesOfBuilders)
  await writeInitramfs(tree, modules, join(directory, 'initramfs'), join(directory, 'initrd'))
  const [kernel = ''] = (await readdir(join(tree, 'boot'))).filter((name) => name.startsWith('vmlinu'))
  await copyFile(join(tree, 'boot', kernel), join(directory, 'kernel'))
  await rm(join(tree, 'boot'), { recursive: true })

  const raw = join(directory, 'disk.raw')
  const fileSystem = ['-q', '-t', 'ext4', '-L', rootLabel, '-m', '0', '-E', 'lazy_journal_init=1', '-d', tree]
  await execa('mke2fs', [...fileSystem, raw, virtualSize], { timeout: deadlineMs })
  await execa('qemu-img', ['convert', '-O', 'qcow2', raw, join(directory, 'disk.qcow2')], {
    timeout: deadlineMs,
  })
  for (const path of [tree, raw, join(directory, 'initramfs')]) await rm(path, { recursive: true })
}

/** The content of the files that decide what is on the disk: a change in any of them is another disk. */
async function sources(): Promise<Record<string, string>> {
  const here = (await readdir(import.meta.dirname)).filter((name) => deciding.test(name))
  const copied = await Promise.all(
    [baseDiskFiles, cloudSeedFiles, quickBootFiles].map((from) =>
      readdir(from, { recursive: true, withFileTypes: true }),
    ),
  )
  const paths = [
    ...here.map((name) => join(import.meta.dirname, name)),
    ...copied
      .flat()
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  ].toSorted()
  const contents = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
  return Object.fromEntries(
    paths.map((path, index) => [path.slice(import.meta.dirname.length), contents[index] ?? '']),
  )
}

const deciding = /^(base-disk(-(bytecode|initramfs|modules|tree))?|cloud-seed|quick-boot)\.ts$/
