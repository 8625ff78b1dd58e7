import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { execa } from 'execa'
import type { KernelModules } from './base-disk-modules.ts'

/** The label by which the initramfs finds the root file system among the disks of a builder. */
export const rootLabel = 'factory-base'

/**
 * Writes a small initramfs: busybox, the modules for disk and network, and a script that configures the address of
 * QEMU's user-mode network, mounts the root file system and hands over to systemd. `work` is a directory that does not
 * exist yet; it is left to the caller to remove.
 */
export async function writeInitramfs(
  tree: string,
  modules: KernelModules,
  work: string,
  output: string,
): Promise<void> {
  for (const folder of ['bin', 'modules', 'dev', 'proc', 'sys', 'root']) {
    await mkdir(join(work, folder), { recursive: true })
  }
  await copyFile(join(tree, 'usr/bin/busybox'), join(work, 'bin/busybox'))
  for (const path of modules.early) await copyFile(path, join(work, 'modules', basename(path)))
  await writeFile(join(work, 'init'), initScript(modules))
  await chmod(join(work, 'init'), 0o755)

  const files = await execa('find', ['.', '-mindepth', '1', '-printf', '%P\n'], {
    cwd: work,
    timeout: 30_000,
  })
  await execa('cpio', ['-o', '-H', 'newc', '--quiet', '-O', output], {
    cwd: work,
    input: files.stdout,
    timeout: 30_000,
  })
}

function initScript(modules: KernelModules): string {
  const insertions = modules.early.map((path) => `insmod /modules/${basename(path)}`)
  return `#!/bin/busybox sh
# Devices of some architectures appear only a while after their driver is there.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
exec </dev/console >/dev/console 2>&1
${insertions.join('\n')}

tries=0
until root=$(findfs LABEL=${rootLabel}) && network=$(ls /sys/class/net | grep -v '^lo$'); do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || { echo 'no network device, or no file system labelled ${rootLabel}'; poweroff -f; }
  sleep 0.1
done
ip link set lo up
ip link set "$network" up
ip addr add 10.0.2.15/24 dev "$network"
ip route add default via 10.0.2.2
mount -t ext4 "$root" /root
for folder in dev proc sys; do mount -o move "/$folder" "/root/$folder"; done
exec switch_root /root /usr/lib/systemd/systemd
`
}
