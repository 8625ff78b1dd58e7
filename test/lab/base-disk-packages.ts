import type { ArchitectureName } from '#arch/index.ts'
import { words } from './words.ts'

/** The Debian packages that make a self-sufficient builder of an architecture; dependencies come along. */
export function baseDiskPackages(arch: ArchitectureName): string[] {
  return [...system, ...builderTools, kernel[arch], ...(hasCloudInit(arch) ? ['cloud-init'] : [])]
}

/**
 * Whether builders of an architecture read their seed with Debian's cloud-init, which proves what is written into it. The
 * others have the stand-in of the lab's images: under emulation cloud-init takes most of the time of a boot.
 */
export function hasCloudInit(arch: ArchitectureName): boolean {
  return arch === 'x86_64'
}

const system = words(`
  base-files base-passwd bash busybox-static coreutils dash debianutils diffutils findutils grep gzip hostname kmod
  libc-bin login mawk mount passwd procps sed tar util-linux
  dbus iproute2 netbase systemd systemd-sysv udev
  libpam-modules netcat-openbsd openssh-server python3 sudo
`)

const builderTools = words(`
  podman crun conmon netavark aardvark-dns nftables ca-certificates
  e2fsprogs xfsprogs dosfstools mtools fdisk gdisk qemu-utils
  cpio curl openssl xz-utils zstd
`)

const kernel: Record<ArchitectureName, string> = {
  x86_64: 'linux-image-cloud-amd64',
  aarch64: 'linux-image-cloud-arm64',
  ppc64le: 'linux-image-powerpc64le',
  s390x: 'linux-image-s390x',
}
