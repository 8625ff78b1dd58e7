import { type ArchitectureName, architectureNames } from '#arch/index.ts'
import { recipeDigest, type Report } from './cache.ts'
import { baseLayers, baseRecipe } from './oci-base.ts'
import { standinLayer, standinRecipe } from './oci-bib-standin.ts'
import { type ImageContent, type ImageSettings, pushedDigest, pushImage } from './oci-image.ts'
import { ensureLabRegistry, labRegistryHost } from './registry.ts'
import { forEachArchitecture } from './two-at-a-time.ts'

/** What Containerfiles of the lab stand on. */
export const labBase = `${labRegistryHost}/lab/base:trixie`
/** The stand-in for bootc-image-builder. */
export const labDiskBuilder = `${labRegistryHost}/lab/bib-standin:latest`

const baseSettings: ImageSettings = {
  labels: { 'containers.bootc': '1', 'org.opencontainers.image.title': "The lab's bootable base image" },
  command: ['/sbin/init'],
}
const standinSettings: ImageSettings = {
  labels: { 'org.opencontainers.image.title': 'A stand-in for bootc-image-builder, for the lab only' },
  entrypoint: ['/usr/bin/bootc-image-builder'],
  workingDirectory: '/output',
}

/**
 * Brings up the lab's registry with the base image and the stand-in for bootc-image-builder, for all four architectures.
 * What is there already from the same recipe is left alone. Returns both references by digest.
 */
export async function ensureLabImages(report: Report): Promise<{ base: string; diskBuilder: string }> {
  await ensureLabRegistry(report)
  const base = await ensureImage(labBase, await baseRecipe(), baseSettings, report, async (arch) => {
    const { system, kernel } = await baseLayers(arch, report)
    return { arch, layers: [system, kernel] }
  })
  const standin = await standinRecipe()
  const diskBuilder = await ensureImage(labDiskBuilder, standin, standinSettings, report, async (arch) => {
    const { system } = await baseLayers(arch, report)
    return { arch, layers: [system, await standinLayer(arch, report)] }
  })
  return { base, diskBuilder }
}

async function ensureImage(
  reference: string,
  recipe: unknown,
  settings: ImageSettings,
  report: Report,
  contentOf: (arch: ArchitectureName) => Promise<ImageContent>,
): Promise<string> {
  const digest = recipeDigest({ recipe, settings })
  const name = reference.replace(/:[^:/]+$/, '')
  const there = await pushedDigest(reference, digest)
  if (there !== undefined) return `${name}@${there}`

  const contents = await forEachArchitecture(contentOf)
  report(`pushing ${reference} for ${architectureNames.join(', ')}`)
  return `${name}@${await pushImage(reference, digest, contents, settings)}`
}
