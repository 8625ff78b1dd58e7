import { z } from 'zod'
import type { ArchitectureName } from '#arch/index.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { IbmArchitecture, IbmConfiguration } from '../config.ts'
import { ibmArchitecture } from '../images/image-marks.ts'
import type { IbmSettings } from '../settings.ts'

/** What is rented where the configuration names nothing: 4 vCPUs and 16 GB are enough for a build. */
const usualProfiles: Readonly<Record<IbmArchitecture, readonly string[]>> = {
  x86_64: ['bx2-4x16'],
  s390x: ['bz2-4x16', 'mz2-2x16'],
}

const profile = z.object({ name: z.string(), vcpu_architecture: z.object({ value: z.string() }) })

/** The profiles of the configuration, else the usual ones, the preferred one first. */
export function wantedProfiles(
  { profiles }: Pick<IbmConfiguration, 'profiles'>,
  arch: ArchitectureName,
): readonly string[] {
  return profiles[arch as IbmArchitecture] ?? usualProfiles[arch as IbmArchitecture] ?? []
}

/** Those that the region has; throws when one is for another architecture, or there is none. */
export async function profilesIn(
  settings: IbmSettings,
  arch: ArchitectureName,
  region: string,
  ctx: Pick<Context, 'signal'>,
): Promise<string[]> {
  const wanted = wantedProfiles(settings.configuration, arch)
  const usable: string[] = []
  for (const name of wanted) {
    const what = `looking at the profile ${name}`
    const path = `/instance/profiles/${encodeURIComponent(name)}`
    const request = { what, service: 'vpc', region, path, answer: profile, accept: [404] } as const
    const found = await settings.call(request, ctx)
    if (!found) continue
    const made = found.vcpu_architecture.value
    if (made !== ibmArchitecture(arch)) throw refused(settings, arch, `${name} is for ${made}`)
    usable.push(name)
  }
  if (usable.length > 0) return usable
  throw refused(settings, arch, `${region} has none of ${wanted.join(', ')}`)
}

function refused({ name }: IbmSettings, arch: ArchitectureName, what: string): FactoryError {
  return new FactoryError({
    code: 'ibm-profile',
    message: `clouds.${name}.profiles.${arch} cannot be what ${arch} machines are rented as: ${what}`,
    hint: 'See which there are: ibmcloud is instance-profiles',
    class: 'user',
  })
}
