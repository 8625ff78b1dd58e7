import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import { type DomainType, machines } from './machines.ts'
import { type Xml, xml } from './xml.ts'

export interface DomainDisk {
  path: string
  format: DiskFormat
  serial: string
  readOnly?: boolean
}

/** Paths on the hypervisor. */
export interface DirectBoot {
  kernel: string
  initrd?: string | undefined
  arguments: string
}

export interface DomainDefinition {
  name: string
  uuid: string
  arch: ArchitectureName
  type: DomainType
  cpus: number
  memoryBytes: number
  metadata: Xml
  /** The first one is booted from. */
  disks: readonly DomainDisk[]
  boot?: DirectBoot | undefined
  /** The variable store of the firmware, for architectures and boots that have one. */
  firmwareStatePath?: string | undefined
  consolePath: string
  /** Whether a restart from inside starts it again, or ends it as a failure. */
  restartable: boolean
  /** The port on the hypervisor's loopback that is forwarded to SSH of the machine; none for no network. */
  port?: number
}

/**
 * The definition of a machine that exists only while it runs: when it powers itself off, for whatever reason,
 * nothing of it is left but what is still linked of its volumes. Disks are unsafe on purpose: what does not survive a crash of the
 * hypervisor is built again. A pool that fills up is an input/output error in the machine: by default QEMU would
 * stop it without a word.
 */
export function domainXml(definition: DomainDefinition): string {
  const { name, uuid, arch, type, cpus, memoryBytes, metadata, disks, consolePath, port } = definition
  const machine = machines[arch]
  const cpu = type === 'kvm' ? xml`<cpu mode="host-passthrough"/>` : machine.emulatedCpu
  return xml`<domain type="${type}" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
  <name>${name}</name>
  <uuid>${uuid}</uuid>
  <metadata>${metadata}</metadata>
  <memory unit="b">${memoryBytes}</memory>
  <vcpu>${cpus}</vcpu>
  ${operatingSystem(definition)}
  ${features(definition)}
  ${cpu}
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>${definition.restartable ? 'restart' : 'destroy'}</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    ${disks.map((disk, index) => diskXml(disk, index, definition.boot === undefined))}
    <controller type="usb" model="none"/>
    ${machine.console(consolePath)}
    <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
    <memballoon model="none"/>
  </devices>
  ${port === undefined ? undefined : networkXml(machine.network, port)}
</domain>
`.markup
}

function operatingSystem(definition: DomainDefinition): Xml {
  const { arch, boot, firmwareStatePath } = definition
  const type = xml`<type arch="${arch}" machine="${machines[arch].type}">hvm</type>`
  if (boot) {
    const initrd = boot.initrd === undefined ? undefined : xml`<initrd>${boot.initrd}</initrd>`
    return xml`<os>${type}<kernel>${boot.kernel}</kernel>${initrd}<cmdline>${boot.arguments}</cmdline></os>`
  }
  if (firmwareStatePath === undefined) return xml`<os>${type}</os>`
  const insecure = xml`<firmware><feature enabled="no" name="secure-boot"/><feature enabled="no" name="enrolled-keys"/></firmware>`
  return xml`<os firmware="efi">${type}${insecure}<nvram format="raw">${firmwareStatePath}</nvram></os>`
}

function features({ arch, boot }: DomainDefinition): Xml | undefined {
  const { acpi, features: always } = machines[arch]
  if (!acpi && !always) return undefined
  const hasAcpi = acpi === 'machine' || (acpi === 'uefi' && boot === undefined)
  return xml`<features>${hasAcpi ? xml`<acpi/>` : undefined}${always}</features>`
}

function diskXml(disk: DomainDisk, index: number, bootable: boolean): Xml {
  const target = `vd${'abcdefgh'[index]}`
  const boot = bootable && index === 0 ? xml`<boot order="1"/>` : undefined
  const readOnly = disk.readOnly ? xml`<readonly/>` : undefined
  return xml`<disk type="file" device="disk">
      <driver name="qemu" type="${disk.format}" cache="unsafe" discard="unmap" error_policy="report"/>
      <source file="${disk.path}"/>
      <target dev="${target}" bus="virtio"/>
      <serial>${disk.serial}</serial>${boot}${readOnly}
    </disk>`
}

function networkXml(device: string, port: number): Xml {
  return xml`<qemu:commandline>
    <qemu:arg value="-netdev"/>
    <qemu:arg value="user,id=factory,hostfwd=tcp:127.0.0.1:${port}-:22"/>
    <qemu:arg value="-device"/>
    <qemu:arg value="${device}"/>
  </qemu:commandline>`
}
