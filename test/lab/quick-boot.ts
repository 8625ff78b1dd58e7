import { cp, mkdir, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { words } from './words.ts'

/** The files that are copied into the trees of all machines of the lab, to make them boot faster. */
export const quickBootFiles = join(import.meta.dirname, 'quick-boot')

// Each costs a process or a module load under emulation, and a machine that lives for half an hour needs none of them.
const maskedUnits = words(`
  dbus-org.freedesktop.login1.service dev-hugepages.mount dev-mqueue.mount getty-static.service getty.target
  ldconfig.service podman-auto-update.timer podman-restart.service proc-sys-fs-binfmt_misc.automount
  run-lock.mount sshd-keygen.service sys-fs-fuse-connections.mount sys-kernel-config.mount
  sys-kernel-debug.mount sys-kernel-tracing.mount systemd-ask-password-console.path
  systemd-ask-password-wall.path systemd-binfmt.service systemd-creds.socket systemd-firstboot.service
  systemd-hibernate-clear.service systemd-hostnamed.socket systemd-hwdb-update.service systemd-initctl.socket
  systemd-journal-catalog-update.service systemd-journal-flush.service systemd-logind.service
  systemd-machine-id-commit.service systemd-modules-load.service systemd-networkd-persistent-storage.service
  systemd-networkd-wait-online.service
  systemd-pcrmachine.service systemd-random-seed.service systemd-remount-fs.service systemd-rfkill.service
  systemd-sysctl.service systemd-sysext.socket systemd-sysusers.service systemd-tmpfiles-clean.timer
  systemd-tpm2-setup-early.service systemd-tpm2-setup.service systemd-udev-load-credentials.service
  systemd-update-done.service systemd-user-sessions.service tmp.mount
`)

const maskedGenerators = words(`
  cloud-init-generator podman-system-generator systemd-debug-generator systemd-getty-generator
  systemd-gpt-auto-generator systemd-hibernate-resume-generator systemd-rc-local-generator systemd-run-generator
  systemd-ssh-generator systemd-system-update-generator systemd-sysv-generator systemd-tpm2-generator
`)

/** Leaves out of the boot of a tree what an emulated machine would only wait for. */
export async function bootQuickly(tree: string): Promise<void> {
  await cp(quickBootFiles, tree, { recursive: true })
  for (const unit of maskedUnits) await link(join(tree, 'etc/systemd/system', unit), '/dev/null')
  for (const name of maskedGenerators)
    await link(join(tree, 'etc/systemd/system-generators', name), '/dev/null')
}

/** Puts a symbolic link in the place of whatever is there. */
export async function link(path: string, target: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await rm(path, { force: true })
  await symlink(target, path)
}
