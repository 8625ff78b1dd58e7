import type { ArchitectureName } from '#arch/index.ts'
import type { IbmArchitecture, IbmConfiguration } from '../config.ts'

/** What is rented where the configuration names nothing: 4 vCPUs and 16 GB are enough for a build. */
const usualProfiles: Readonly<Record<IbmArchitecture, readonly string[]>> = {
  x86_64: ['bx2-4x16'],
  s390x: ['bz2-4x16', 'mz2-2x16'],
}

/** The profiles of the configuration, else the usual ones, the preferred one first. */
export function wantedProfiles(
  { profiles }: Pick<IbmConfiguration, 'profiles'>,
  arch: ArchitectureName,
): readonly string[] {
  return profiles[arch as IbmArchitecture] ?? usualProfiles[arch as IbmArchitecture] ?? []
}
