import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import { type DiskBudget, diskBudget } from '#src/builder/budget.ts'
import type { PinnedReference } from '#src/container/types.ts'
import type { Context } from '#src/context.ts'
import type { RegistryClient } from '#src/registry/types.ts'
import type { ReleaseInputs } from './inputs.ts'

/** Layers of operating systems unpack to two to three times their gzip size. */
const unpackFactor = 3

/**
 * What one build needs on its builder's data disk, from sizes that the registries state: known before a machine
 * is rented, so that the machine is rented with enough.
 */
export async function buildBudget(
  registry: Pick<RegistryClient, 'layerBytes'>,
  inputs: ReleaseInputs,
  build: { arch: ArchitectureName; formats: readonly DiskFormat[] },
  ctx: Context,
): Promise<DiskBudget> {
  const { arch, formats } = build
  const unpacked = async (images: readonly PinnedReference[]) => {
    const sizes = images.map(async (image) => await registry.layerBytes(pinned(image), arch, ctx))
    return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0) * unpackFactor
  }
  const tool = inputs.diskBuilders[arch]
  const bases = inputs.existing ? [inputs.existing] : inputs.bases
  return diskBudget({
    contextBytes: inputs.context?.totalBytes ?? 0,
    baseBytes: await unpacked(bases),
    toolBytes: await unpacked(tool ? [tool] : []),
    formats,
  })
}

/** The reference by digest alone: a tag may have moved since it was resolved. */
function pinned({ reference, digest }: PinnedReference): string {
  return `${reference.replace(/@.*$/, '').replace(/:[^:/]+$/, '')}@${digest}`
}
