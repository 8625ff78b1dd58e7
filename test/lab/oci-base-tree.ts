import { cp, glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { cloudSeedFiles, cloudSeedLinks } from './cloud-seed.ts'
import { bootQuickly, link } from './quick-boot.ts'
import { words } from './words.ts'

/** The files that are copied into the base image as they are. */
export const baseImageFiles = join(import.meta.dirname, 'oci-base-files')

const deadlineMs = 120_000

/**
 * Turns an unpacked Debian tree into what the base image holds, without kernel and modules: takes out what no lab image
 * uses, does by hand what the packages' maintainer scripts would have done, and adds the lab's own files.
 */
export async function configureBaseTree(tree: string): Promise<void> {
  for (const pattern of leftOut) {
    for await (const path of glob(pattern, { cwd: tree })) {
      await rm(join(tree, path), { recursive: true, force: true })
    }
  }
  for (const files of [baseImageFiles, cloudSeedFiles]) await cp(files, tree, { recursive: true })
  await execa('systemd-sysusers', [`--root=${tree}`], { timeout: deadlineMs })
  await allowKeyLogin(join(tree, 'etc/shadow'))
  for (const [path, target] of Object.entries(links)) await link(join(tree, path), target)
  await bootQuickly(tree)
  await writeFile(join(tree, 'etc/machine-id'), '')
  for (const folder of ['mnt', 'etc/ssh']) await mkdir(join(tree, folder), { recursive: true })
}

const leftOut = words(`
  boot/* etc/apt etc/dpkg etc/init.d etc/rc*.d etc/logrotate.d etc/initramfs-tools usr/bin/perl*
  usr/bin/debconf* usr/bin/localedef usr/lib/*/perl* usr/lib/*/gconv usr/lib/udev/hwdb.d usr/lib/apt
  usr/lib/dpkg usr/lib/systemd/catalog usr/lib/initcpio usr/share/bash-completion usr/share/debconf
  usr/share/initramfs-tools usr/share/perl* usr/share/zsh usr/share/polkit-1 usr/share/dbus-1 usr/share/gcc
  usr/lib/linux-image-* usr/lib/klibc usr/lib/openssh/ssh-* usr/bin/ssh-add usr/bin/ssh-agent usr/bin/ssh-keyscan
  usr/bin/{busybox,ssh,scp,sftp} usr/sbin/ldconfig usr/share/gdb usr/share/common-licenses usr/share/lintian usr/share/runit var/cache/* var/lib/dpkg
`)

const units = '/usr/lib/systemd/system'
const links: Record<string, string> = {
  'usr/bin/awk': 'mawk',
  'usr/bin/which': 'which.debianutils',
  'etc/mtab': '/proc/self/mounts',
  'etc/systemd/system/default.target': `${units}/multi-user.target`,
  'etc/systemd/system/sshd.service': `${units}/ssh.service`,
  'etc/systemd/system/multi-user.target.wants/ssh.service': `${units}/ssh.service`,
  'etc/systemd/system/multi-user.target.wants/systemd-networkd.service': `${units}/systemd-networkd.service`,
  'etc/systemd/system/multi-user.target.wants/image-identity.service':
    '/etc/systemd/system/image-identity.service',
  ...cloudSeedLinks,
}

/** Without PAM sshd takes a `!` in the password field for a locked account; `*` is no password either, but no lock. */
async function allowKeyLogin(shadow: string): Promise<void> {
  const lines = (await readFile(shadow, 'utf8')).replaceAll(/^([^:]+):!\*?:/gm, '$1:*:')
  await writeFile(shadow, lines)
}
