/** Architectures are named as `uname -m` names them; every other spelling is a field of the description. */
export type ArchitectureName = 'x86_64' | 'aarch64' | 'ppc64le' | 's390x'

export interface Architecture {
  readonly name: ArchitectureName
  /** The name in OCI image indexes (GOARCH). */
  readonly oci: 'amd64' | 'arm64' | 'ppc64le' | 's390x'
  /** The name in Debian's archive. */
  readonly debian: 'amd64' | 'arm64' | 'ppc64el' | 's390x'
  /** The name in EC2's RegisterImage; absent where EC2 has no such machines. */
  readonly ec2?: 'x86_64' | 'arm64'
  /** The name among the operating systems and profiles of IBM Cloud VPC; absent where it has no such machines. */
  readonly ibm?: 'amd64' | 's390x'
  /** Disk image formats that bootc-image-builder makes usable images of for this architecture. */
  readonly diskFormats: readonly DiskFormat[]
}

export type DiskFormat = 'raw' | 'qcow2'
