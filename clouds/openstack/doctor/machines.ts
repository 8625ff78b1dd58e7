import { z } from 'zod'
import type { ArchitectureName } from '#arch/index.ts'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { bootImage } from '../builders/boot-image.ts'
import { type Flavor, flavorsFor } from '../builders/flavors.ts'
import { disksFor } from '../builders/freeze.ts'
import { needsVolumes } from '../builders/volumes.ts'
import { everyItem } from '../pages.ts'
import type { OpenstackSettings } from '../settings.ts'
import { type Look, finding, ok } from './finding.ts'

const zones = z.object({
  availabilityZoneInfo: z.array(
    z.object({ zoneName: z.string(), zoneState: z.object({ available: z.boolean() }) }),
  ),
})
const named = z.object({ id: z.string(), name: z.string() })

export interface MachineLooks {
  findings: Finding[]
  /** The first flavor of each architecture that was found. */
  flavors: Flavor[]
}

/** Whether everything that machines are made of is there: base images, flavors, zones, types of volumes. */
export async function lookAtMachines(
  settings: OpenstackSettings,
  architectures: readonly ArchitectureName[],
  ctx: Context,
): Promise<MachineLooks> {
  const { name, configuration } = settings
  const findings: Finding[] = []
  const flavors: Flavor[] = []
  for (const arch of architectures) {
    let diskGib = 1
    if (configuration.base[arch]) {
      const look = async () => {
        const image = await bootImage(settings, { arch }, ctx)
        diskGib = image.diskGib
        return ok(`${image.name} (${image.id}), a disk of ${diskGib} GiB or more`)
      }
      findings.push(await finding(`base image for ${arch}`, look))
    }
    const look = async () => {
      const found = await flavorsFor(settings, arch, ctx)
      if (found[0]) flavors.push(found[0])
      const { fitting } = disksFor(settings, 0, { diskGib }, found)
      return toldOfFlavors(found, fitting, `clouds.${name}.rootVolume`)
    }
    findings.push(await finding(`flavors for ${arch}`, look))
  }
  if (configuration.zones.length > 0)
    findings.push(await finding('availability zones', () => lookAtZones(settings, ctx)))
  if (needsVolumes(settings)) findings.push(await finding('volumes', () => lookAtVolumeType(settings, ctx)))
  return { findings, flavors }
}

function toldOfFlavors(found: readonly Flavor[], fitting: readonly Flavor[], key: string): Look {
  const told = found.map(
    ({ word, vcpus, ram, disk }) => `${word} (${vcpus} processors, ${ram} MiB, ${disk} GiB)`,
  )
  const small = found.filter((each) => !fitting.includes(each)).map(({ word }) => word)
  const message = told.join(', ')
  if (small.length === 0) return ok(message)
  return {
    severity: 'warning',
    message: `${message}; the disk of ${small.join(', ')} is too small`,
    hint: `Leave them out, or write ${key}.`,
  }
}

async function lookAtZones({ session, configuration }: OpenstackSettings, ctx: Context): Promise<Look> {
  const { region, zones: wanted } = configuration
  const request = {
    service: 'compute',
    region,
    what: 'looking at zones',
    path: '/os-availability-zone',
  } as const
  const { availabilityZoneInfo } = await session.json(request, zones, ctx)
  const there = availabilityZoneInfo
    .filter(({ zoneState }) => zoneState.available)
    .map(({ zoneName }) => zoneName)
  const missing = wanted.filter((zone) => !there.includes(zone))
  if (missing.length === 0) return ok(wanted.join(', '))
  const message = `${region} has no ${missing.join(' and no ')}; there are: ${there.join(', ')}`
  return { severity: 'error', message, hint: 'Correct `zones` of the cloud in the configuration.' }
}

async function lookAtVolumeType(settings: OpenstackSettings, ctx: Context): Promise<Look> {
  const { region, volumeType } = settings.configuration
  const what = 'looking at types of volumes'
  const listing = { service: 'volume', region, what, path: '/types', collection: 'volume_types' } as const
  const types = await everyItem(settings, { ...listing, item: named }, ctx)
  if (volumeType === undefined) return ok('of the type that Cinder takes by itself')
  if (types.some(({ id, name }) => id === volumeType || name === volumeType))
    return ok(`of the type ${volumeType}`)
  const message = `there is no type ${volumeType}; there are: ${types.map(({ name }) => name).join(', ')}`
  return { severity: 'error', message, hint: 'Correct `volumeType` of the cloud in the configuration.' }
}
