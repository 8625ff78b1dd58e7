import type { ArchitectureName } from '#arch/index.ts'
import { type Xml, xml } from './xml.ts'

export type DomainType = 'kvm' | 'qemu'

/** What differs between the architectures in a domain definition. */
export interface Machine {
  readonly type: string
  /** The size of the variable store where disks are started by UEFI: QEMU's flash of the machine. The others have built-in firmware. */
  readonly firmwareStateBytes?: number
  readonly features?: Xml
  /** Where the tables of ACPI come from: the machine itself, or UEFI, so that a kernel booted directly has none. */
  readonly acpi?: 'machine' | 'uefi'
  /** The CPU of an emulated machine; under KVM it is the host's. */
  readonly emulatedCpu: Xml
  /** The console that firmware and kernel write to, into a file on the hypervisor. */
  console(path: string): Xml
  /** QEMU's network device. It is given to QEMU directly because libvirt 9 cannot forward ports of a user network. */
  readonly network: string
}

const pciNetwork = 'virtio-net-pci,netdev=factory,romfile=,addr=0x10'

export const machines: Readonly<Record<ArchitectureName, Machine>> = {
  x86_64: {
    type: 'q35',
    acpi: 'machine',
    features: xml`<apic/>`,
    // Under TCG `maximum` crashes guests that run podman; qemu64 without cx16 never did.
    emulatedCpu: xml`<cpu mode="custom" match="exact" check="none"><model fallback="forbid">qemu64</model><feature policy="disable" name="cx16"/></cpu>`,
    console: serialPort,
    network: pciNetwork,
  },
  aarch64: {
    type: 'virt',
    firmwareStateBytes: 64 * 1024 ** 2,
    acpi: 'uefi',
    features: xml`<gic version="3"/>`,
    emulatedCpu: xml`<cpu mode="custom" match="exact" check="none"><model fallback="forbid">cortex-a57</model></cpu>`,
    console: serialPort,
    network: pciNetwork,
  },
  ppc64le: {
    type: 'pseries',
    emulatedCpu: xml`<cpu mode="custom" match="exact" check="none"><model fallback="forbid">POWER9</model></cpu>`,
    console: (path) =>
      xml`<serial type="file"><source path="${path}"/><target type="spapr-vio-serial" port="0"/></serial>`,
    network: pciNetwork,
  },
  s390x: {
    type: 's390-ccw-virtio',
    emulatedCpu: xml``,
    console: (path) =>
      xml`<console type="file"><source path="${path}"/><target type="sclp" port="0"/></console>`,
    // Without a number of its own the device collides with the disks that libvirt numbers.
    network: 'virtio-net-ccw,netdev=factory,devno=fe.0.0100',
  },
}

function serialPort(path: string): Xml {
  return xml`<serial type="file"><source path="${path}"/><target port="0"/></serial>`
}
