import { z } from 'zod'
import type { ArchitectureName } from '#arch/index.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { IbmArchitecture } from '../config.ts'
import { everyThing } from '../pages.ts'
import type { IbmSettings } from '../settings.ts'
import { ibmArchitecture } from './image-marks.ts'

const operatingSystem = z.object({
  name: z.string(),
  architecture: z.string(),
  allow_user_image_creation: z.boolean(),
  user_data_format: z.string(),
})

type OperatingSystem = z.infer<typeof operatingSystem>

/** The operating system that images of an architecture are imported as; throws, with what there is, when it cannot be. */
export async function operatingSystemFor(
  settings: IbmSettings,
  arch: ArchitectureName,
  region: string,
  ctx: Pick<Context, 'signal'>,
): Promise<string> {
  const listing = { what: 'listing operating systems', region, path: '/operating_systems' }
  const all = await everyThing(
    settings,
    { ...listing, key: 'operating_systems', thing: operatingSystem },
    ctx,
  )
  const wanted = settings.configuration.operatingSystem[arch as IbmArchitecture]
  const found = all.find(({ name }) => name === wanted)
  const problem = problemOf(found, wanted, arch)
  if (wanted !== undefined && problem === undefined) return wanted
  const possible = all
    .filter((each) => problemOf(each, each.name, arch) === undefined)
    .map(({ name }) => name)
  throw new FactoryError({
    code: 'ibm-operating-system',
    message: `clouds.${settings.name}.operatingSystem.${arch} ${problem ?? 'is not in the configuration'} in ${region}`,
    hint: `Name the one that is nearest to yours: ${possible.join(', ') || 'there is none for this architecture in this region'}. One that ends with -byol is not charged for.`,
    class: 'user',
  })
}

function problemOf(
  found: OperatingSystem | undefined,
  wanted: string | undefined,
  arch: ArchitectureName,
): string | undefined {
  if (wanted === undefined) return 'is not in the configuration, so no image can be imported'
  if (!found) return `is ${wanted}, which is not known`
  if (found.architecture !== ibmArchitecture(arch)) return `is ${wanted}, which is for ${found.architecture}`
  if (!found.allow_user_image_creation) return `is ${wanted}, which takes no images of users`
  if (found.user_data_format !== 'cloud_init') return `is ${wanted}, which knows no cloud-init`
  return undefined
}
