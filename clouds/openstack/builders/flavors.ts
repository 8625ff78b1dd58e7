import { z } from 'zod'
import type { ArchitectureName } from '#arch/index.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { everyItem } from '../pages.ts'
import type { OpenstackSettings } from '../settings.ts'

const flavor = z.object({
  id: z.string(),
  name: z.string(),
  vcpus: z.number(),
  ram: z.number(),
  disk: z.number(),
})

/** `ram` in MiB, `disk` in GiB; 0 of that is for servers that start from a volume. */
export type Flavor = z.infer<typeof flavor> & { /** As the configuration names it. */ word: string }

/** The flavors that the configuration names for an architecture, in its order. Throws `openstack-flavor` when one is not there. */
export async function flavorsFor(
  settings: OpenstackSettings,
  arch: ArchitectureName,
  ctx: Context,
): Promise<Flavor[]> {
  const { name, configuration } = settings
  const { region, flavors } = configuration
  const key = `clouds.${name}.flavors.${arch}`
  const wanted = flavors[arch]
  if (!wanted)
    throw refused(
      `${key} is not in the configuration`,
      'Add it: openstack flavor list shows which there are.',
    )
  const what = 'looking at flavors'
  const listing = {
    service: 'compute',
    region,
    what,
    path: '/flavors/detail',
    collection: 'flavors',
  } as const
  const all = await everyItem(settings, { ...listing, item: flavor }, ctx)
  const found = wanted.map((word) => ({
    word,
    found: all.find(({ id, name: own }) => id === word || own === word),
  }))
  const missing = found.filter((each) => !each.found).map(({ word }) => word)
  if (missing.length === 0) return found.map(({ word, found: one }) => ({ ...one!, word }))
  const known = all.map(({ name: own }) => own).join(', ')
  throw refused(
    `${key} names ${missing.join(' and ')}, which ${region} does not have`,
    `There are: ${known}.`,
  )
}

/** Those with a disk of at least so many GiB; throws when none has. */
export function withDisk(settings: OpenstackSettings, flavors: readonly Flavor[], diskGib: number): Flavor[] {
  const fit = flavors.filter(({ disk }) => disk >= diskGib)
  if (fit.length > 0) return fit
  const have = flavors.map(({ word, disk }) => `${word} has ${disk}`).join(', ')
  throw refused(
    `machines need a disk of ${diskGib} GiB: ${have}`,
    `Name larger flavors, or let machines start from a volume: clouds.${settings.name}.rootVolume: "${diskGib} GiB".`,
  )
}

function refused(message: string, hint: string): FactoryError {
  return new FactoryError({ code: 'openstack-flavor', message, hint, class: 'user' })
}
