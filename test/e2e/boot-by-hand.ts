import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import type { ArchitectureName } from '#arch/index.ts'
import { virsh } from '#test/lab/libvirt.ts'

/** The least that a person would write for a machine of each architecture; nothing of the factory is used. */
const machines: Record<ArchitectureName, { os: string; more: string; console: (path: string) => string }> = {
  x86_64: {
    os: `<os><type arch='x86_64' machine='q35'>hvm</type></os>`,
    more: `<cpu mode='custom' match='exact' check='none'><model>qemu64</model><feature policy='disable' name='cx16'/></cpu>`,
    console: (path) => `<serial type='file'><source path='${path}'/></serial>`,
  },
  aarch64: {
    os: `<os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type><firmware><feature enabled='no' name='enrolled-keys'/><feature enabled='no' name='secure-boot'/></firmware></os>`,
    more: `<features><acpi/><gic version='3'/></features><cpu mode='custom' match='exact' check='none'><model>cortex-a57</model></cpu>`,
    console: (path) => `<serial type='file'><source path='${path}'/></serial>`,
  },
  ppc64le: {
    os: `<os><type arch='ppc64le' machine='pseries'>hvm</type></os>`,
    more: '',
    console: (path) => `<serial type='file'><source path='${path}'/></serial>`,
  },
  s390x: {
    os: `<os><type arch='s390x' machine='s390-ccw-virtio'>hvm</type></os>`,
    more: '',
    console: (path) => `<console type='file'><source path='${path}'/><target type='sclp'/></console>`,
  },
}

const limitMs = 5 * 60_000

/**
 * Starts a published image with plain virsh on a copy-on-write volume, so that the image itself stays as it is, and
 * returns the console's text once it names a release, or its kernel gave up. Nothing stays behind.
 */
export async function bootByHand(image: {
  arch: ArchitectureName
  volume: string
  format: string
}): Promise<string> {
  const { arch, volume, format } = image
  const name = `by-hand-${volume}`
  const overlay = `${name}.overlay.qcow2`
  const consoleFile = `/var/log/libvirt/qemu/${name}.console`
  const directory = await mkdtemp(join(tmpdir(), 'by-hand-'))
  const capacity = /<capacity unit='bytes'>(\d+)/.exec(
    (await virsh(['vol-dumpxml', volume, '--pool', 'images'])).stdout,
  )
  const backing = ['--backing-vol', volume, '--backing-vol-format', format]
  await virsh(['vol-create-as', 'images', overlay, `${capacity?.[1]}b`, '--format', 'qcow2', ...backing])
  try {
    const { stdout: path } = await virsh(['vol-path', overlay, '--pool', 'images'])
    const { os, more, console } = machines[arch]
    const definition = join(directory, 'domain.xml')
    await writeFile(
      definition,
      `<domain type='qemu'><name>${name}</name><memory unit='MiB'>1024</memory><vcpu>1</vcpu>${os}${more}
      <on_poweroff>destroy</on_poweroff><devices>
      <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${path.trim()}'/><target dev='vda' bus='virtio'/></disk>
      ${console(consoleFile)}</devices></domain>`,
    )
    await writeFile(consoleFile, '')
    await virsh(['create', definition])
    return await untilRelease(consoleFile)
  } finally {
    await virsh(['destroy', name]).catch(() => undefined)
    await virsh(['vol-delete', overlay, '--pool', 'images'])
    await rm(consoleFile, { force: true })
    await rm(`/var/lib/libvirt/qemu/nvram/${name}_VARS.fd`, { force: true })
    await rm(directory, { recursive: true })
  }
}

async function untilRelease(consoleFile: string): Promise<string> {
  const lines: string[] = []
  const tail = execa('tail', ['-F', '-n', '+1', consoleFile], {
    timeout: limitMs,
    reject: false,
    buffer: false,
  })
  for await (const line of tail.iterable()) {
    lines.push(line)
    if (/RELEASE=|Kernel panic/.test(line)) tail.kill()
  }
  return lines.join('\n')
}
