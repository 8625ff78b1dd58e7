import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'

/** How the lab runs what EC2 calls x86_64 and arm64; no KVM, so that it is the same everywhere. */
const machines = {
  x86_64: {
    program: 'qemu-system-x86_64',
    machine: 'q35',
    cpu: 'qemu64,-cx16',
    firmware: [],
  },
  arm64: {
    program: 'qemu-system-aarch64',
    machine: 'virt,gic-version=3',
    cpu: 'cortex-a57',
    firmware: ['-bios', '/usr/share/qemu-efi-aarch64/QEMU_EFI.fd'],
  },
} as const

export type Ec2Architecture = keyof typeof machines

export interface MachineDisk {
  path: string
  format: 'raw' | 'qcow2'
  /** Without one the firmware boots the disk. */
  directBoot?: { kernel: string; initrd: string; arguments: string }
}

/** The least that an instance needs; its console goes to `console` in the directory. The kernel ends it with us. */
export function startQemu(
  architecture: Ec2Architecture,
  disk: MachineDisk,
  seed: string,
  port: number,
  directory: string,
): ChildProcess {
  const { program, machine, cpu, firmware } = machines[architecture]
  const boot = disk.directBoot
  const bare = ['-nodefaults', '-no-user-config', '-display', 'none']
  const hardware = ['-accel', 'tcg', '-machine', machine, '-cpu', cpu, '-smp', '1', '-m', '2048']
  const start = boot ? ['-kernel', boot.kernel, '-initrd', boot.initrd, '-append', boot.arguments] : firmware
  const disks = [...drive(disk.path, disk.format), ...drive(seed, 'raw', 'readonly=on')]
  const forward = `user,id=net,hostfwd=tcp:127.0.0.1:${port}-:22`
  const devices = ['-netdev', forward, '-device', 'virtio-net-pci,netdev=net', '-device', 'virtio-rng-pci']
  const console = ['-serial', `file:${join(directory, 'console')}`]
  const argv = [
    '--pdeathsig',
    'KILL',
    program,
    ...bare,
    ...hardware,
    ...start,
    ...disks,
    ...devices,
    ...console,
  ]
  return spawn('setpriv', argv, { stdio: ['ignore', 'ignore', 'inherit'] })
}

function drive(path: string, format: string, more = 'cache=unsafe'): string[] {
  return ['-drive', `file=${path},format=${format},if=virtio,${more}`]
}

/** The user-data as NoCloud gives it to cloud-init; what the metadata service would say of the machine is its id. */
export async function writeSeed(directory: string, id: string, userData: Buffer): Promise<string> {
  await writeFile(join(directory, 'user-data'), userData, { mode: 0o600 })
  await writeFile(join(directory, 'meta-data'), `instance-id: ${id}\n`)
  const options = ['-quiet', '-output', 'seed.iso', '-volid', 'cidata', '-joliet', '-rational-rock']
  await execa('xorrisofs', [...options, 'user-data', 'meta-data'], { cwd: directory, timeout: 30_000 })
  return join(directory, 'seed.iso')
}

/** Ends it and waits until nothing of it runs. */
export async function endQemu(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return
  const ended = once(process, 'exit')
  process.kill('SIGKILL')
  await ended
}
