import { aarch64 } from './aarch64.ts'
import { ppc64le } from './ppc64le.ts'
import { s390x } from './s390x.ts'
import type { Architecture, ArchitectureName } from './types.ts'
import { x86_64 } from './x86_64.ts'

export type { Architecture, ArchitectureName, DiskFormat } from './types.ts'

/** Every architecture the factory knows, by its `uname -m` name. */
export const architectures: Readonly<Record<ArchitectureName, Architecture>> = {
  x86_64,
  aarch64,
  ppc64le,
  s390x,
}

export const architectureNames = Object.keys(architectures) as ArchitectureName[]

/** Translates an OCI (GOARCH) name; returns undefined for an architecture that the factory does not build. */
export function fromOci(name: string): ArchitectureName | undefined {
  return architectureNames.find((candidate) => architectures[candidate].oci === name)
}
