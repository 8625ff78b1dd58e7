import type { ArchitectureName } from '#arch/index.ts'

/** Where an image says which release it is; lines of KEY=value as in os-release. */
export const identityFile = '/usr/lib/image-factory/release'

/** The identity that a build puts into its image and that a booted image must repeat. */
export function identityOf(facts: {
  imageName: string
  release: string
  buildKey: string
  arch: ArchitectureName
}): string {
  const { imageName, release, buildKey, arch } = facts
  return `IMAGE=${imageName}\nRELEASE=${release}\nARCHITECTURE=${arch}\nBUILD_KEY=${buildKey}\n`
}
