import type { ArchitectureName } from '#arch/index.ts'

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
