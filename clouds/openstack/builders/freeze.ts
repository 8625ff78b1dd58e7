import type { BuilderSpec, Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { parseBytes } from '#src/units.ts'
import type { OpenstackSettings } from '../settings.ts'
import { type BootImage, bootImage } from './boot-image.ts'
import { type Flavor, flavorsFor, withDisk } from './flavors.ts'
import type { FrozenRequest } from './lease-record.ts'
import { machineNetworks } from './networks.ts'

const gibibyte = 1024 ** 3

/** Decides what a machine is asked for with. Everything that the configuration names must be there, or nothing is rented. */
export async function frozenRequest(
  settings: OpenstackSettings,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<FrozenRequest> {
  ctx.emit({ message: `looking up what ${lease.id} starts from in ${settings.configuration.region}` })
  const [boot, flavors, networks] = await Promise.all([
    bootImage(settings, spec, ctx),
    flavorsFor(settings, spec.arch, ctx),
    machineNetworks(settings, ctx),
  ])
  ctx.log(`${lease.id} starts from ${boot.id} (${boot.name})`)
  const { rootGib, dataGib, fitting } = disksFor(settings, spec.dataBytes, boot, flavors)
  const { zones } = settings.configuration
  const places = zones.length === 0 ? [undefined] : zones
  return {
    imageId: boot.id,
    user: boot.user,
    ...(rootGib === undefined ? {} : { rootGib }),
    dataGib,
    // All zones with the preferred flavor before the next flavor: a smaller machine is slower everywhere.
    attempts: fitting.flatMap(({ id, name, word }) =>
      places.map((zone) => ({ flavorId: id, flavor: name, word, ...(zone === undefined ? {} : { zone }) })),
    ),
    networks: networks.map(({ id }) => id),
  }
}

/** Which disks a machine gets, and which flavors have room for them. */
export function disksFor(
  settings: OpenstackSettings,
  dataBytes: number,
  { diskGib }: Pick<BootImage, 'diskGib'>,
  flavors: readonly Flavor[],
): { rootGib: number | undefined; dataGib: number; fitting: readonly Flavor[] } {
  const { rootVolume, dataDisk } = settings.configuration
  const wantedGib = Math.ceil(dataBytes / gibibyte)
  const onRoot = dataDisk === 'root' ? wantedGib : 0
  const dataGib = wantedGib - onRoot
  if (rootVolume === undefined) {
    return { rootGib: undefined, dataGib, fitting: withDisk(settings, flavors, diskGib + onRoot) }
  }
  const rootGib = Math.max(Math.ceil(parseBytes(rootVolume)! / gibibyte), diskGib + onRoot)
  return { rootGib, dataGib, fitting: flavors }
}
