import { appendFile, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { ArchitectureName } from '#arch/index.ts'
import { standardLibrary } from './base-disk-bytecode.ts'
import { hasCloudInit } from './base-disk-packages.ts'
import { cloudSeedFiles, cloudSeedLinks } from './cloud-seed.ts'
import { bootQuickly, link } from './quick-boot.ts'
import { words } from './words.ts'

/** The files that are copied into every base disk as they are. */
export const baseDiskFiles = join(import.meta.dirname, 'base-disk-files')

const deadlineMs = 120_000

/**
 * Does in an unpacked tree what the packages' maintainer scripts would have done, as far as a builder needs it.
 * `bytecode` is the tree that `pythonBytecode` made.
 */
export async function configureTree(tree: string, arch: ArchitectureName, bytecode: string): Promise<void> {
  await execa('cp', ['-r', '--no-preserve=ownership', `${baseDiskFiles}/.`, tree], { timeout: deadlineMs })
  const compiled = hasCloudInit(arch) ? '.' : standardLibrary
  await execa('cp', ['-r', `${bytecode}/${compiled}/.`, join(tree, compiled)], { timeout: deadlineMs })
  if (!hasCloudInit(arch)) await cp(cloudSeedFiles, tree, { recursive: true })
  await addUsers(tree)
  await trustCertificateAuthorities(tree)
  const wanted = { ...links, ...(hasCloudInit(arch) ? cloudInitLinks : cloudSeedLinks) }
  for (const [path, target] of Object.entries(wanted)) await link(join(tree, path), target)
  await bootQuickly(tree)
  await writeFile(join(tree, 'etc/machine-id'), '')
  await mkdir(join(tree, 'mnt'), { recursive: true })
}

const links: Record<string, string> = {
  'usr/bin/awk': 'mawk',
  'usr/bin/nc': 'nc.openbsd',
  'usr/bin/which': 'which.debianutils',
  'etc/mtab': '/proc/self/mounts',
  'etc/systemd/system/default.target': '/usr/lib/systemd/system/multi-user.target',
  'etc/systemd/system/sshd.service': '/usr/lib/systemd/system/ssh.service',
  'etc/systemd/system/sockets.target.wants/lab-registry.socket': '/etc/systemd/system/lab-registry.socket',
  'etc/systemd/system/multi-user.target.wants/ssh.service': '/usr/lib/systemd/system/ssh.service',
}

/** What cloud-init's generator would do after a search that only ever ends with the same answer. */
const cloudInitLinks: Record<string, string> = {
  'etc/systemd/system/multi-user.target.wants/cloud-init.target': '/usr/lib/systemd/system/cloud-init.target',
  ...Object.fromEntries(
    words('cloud-init-main cloud-init-local cloud-init-network cloud-config cloud-final').map((unit) => [
      `etc/systemd/system/cloud-init.target.wants/${unit}.service`,
      `/usr/lib/systemd/system/${unit}.service`,
    ]),
  ),
}

async function addUsers(tree: string): Promise<void> {
  await execa('systemd-sysusers', [`--root=${tree}`], { timeout: deadlineMs })
  await appendFile(join(tree, 'etc/subuid'), 'root:100000:65536\n')
  await appendFile(join(tree, 'etc/subgid'), 'root:100000:65536\n')
}

async function trustCertificateAuthorities(tree: string): Promise<void> {
  const directory = join(tree, 'usr/share/ca-certificates/mozilla')
  const names = (await readdir(directory)).toSorted()
  const certificates = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')))
  await writeFile(join(tree, 'etc/ssl/certs/ca-certificates.crt'), certificates.join('\n'))
}
