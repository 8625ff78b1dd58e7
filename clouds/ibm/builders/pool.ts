import { fromEveryRegion } from '#clouds/every-region.ts'
import { builderAddress } from '#clouds/machine-address.ts'
import type { BuilderPool, BuilderSpec, Lease } from '#clouds/types.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { rentedName } from '../names.ts'
import { besideRates, machineRate, machineRates } from '../rates.ts'
import type { IbmSettings } from '../settings.ts'
import { until } from '../wait.ts'
import { privateAddress } from './await-machine.ts'
import { findRented } from './find-rented.ts'
import { floatingIp } from './floating-ip.ts'
import { giveBack } from './give-back.ts'
import { type Instance, instanceById } from './instances.ts'
import { offers } from './offers.ts'
import { prolong } from './prolong.ts'
import { type Rented, rent } from './rent.ts'

const attachLimitMs = 3 * 60_000
/** What virtio has room for: of a longer id the machine sees the beginning. */
const serialLength = 20

/** Rents machines from VPC: builders in the main region, machines that boot a published image in the image's own. */
export function createBuilderPool(settings: IbmSettings): BuilderPool {
  return {
    maxBuilders: settings.configuration.maxBuilders,
    offers: (arch, region) => offers(settings, arch, region),
    rates: (arch) => machineRates(settings.configuration, arch),
    acquire: (spec, lease, ctx) => acquire(settings, spec, lease, ctx),
    find: (owner, ctx) =>
      fromEveryRegion(settings, ctx, (region) => findRented(settings, region, owner, ctx)),
    prolong: (leaseId, expires, ctx) => prolong(settings, leaseId, expires, ctx),
    release: (leaseId, ctx) => giveBack(settings, leaseId, ctx),
  }
}

async function acquire(
  settings: IbmSettings,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<BuilderRef> {
  const { configuration } = settings
  const rented = await rent(settings, spec, lease, ctx)
  const { machine, region, request } = rented
  const isPublic = (request?.address ?? configuration.address) === 'public'
  const host = isPublic
    ? await floatingIp(settings, region, machine, lease, ctx)
    : (privateAddress(machine) ?? '')
  const dataDisk = spec.dataBytes === 0 ? undefined : await serialOfData(settings, rented, lease, ctx)
  const volumesGb = request && request.bootGb + request.dataGb
  return {
    leaseId: lease.id,
    arch: lease.arch,
    machine: machine.id,
    address: builderAddress(configuration, host),
    user: rented.user,
    hostPublicKey: spec.access.hostPublicKey,
    // Whoever may look at the machine's initialization can read its user-data.
    hostKeyExposed: true,
    ...(dataDisk === undefined ? {} : { dataDisk }),
    rates: [machineRate(configuration, machine.profile.name), ...besideRates(configuration, volumesGb)],
  }
}

/** The serial number that the machine sees on its data disk, which VPC tells only when the disk is attached. */
async function serialOfData(
  settings: IbmSettings,
  { machine, region }: Rented,
  lease: Lease,
  ctx: Context,
): Promise<string> {
  const name = rentedName('data', lease.id, lease.owner)
  const serialOf = (now: Instance | undefined) =>
    now?.volume_attachments.find(({ volume }) => volume?.name === name)?.device?.id.slice(0, serialLength)
  return await until(`attaching the data disk of ${machine.id} in ${region}`, attachLimitMs, ctx, async () =>
    serialOf(await instanceById(settings, region, machine.id, ctx)),
  )
}
