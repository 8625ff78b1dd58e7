import { builderAddress } from '#clouds/machine-address.ts'
import type { BuilderPool, BuilderSpec, Lease } from '#clouds/types.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import type { Rate } from '#src/cost.ts'
import { FactoryError } from '#src/errors.ts'
import { addressRate, machineRate, machineRates, volumeRate } from '../rates.ts'
import type { OpenstackSettings } from '../settings.ts'
import { lastConsoleText } from './console.ts'
import { findRented } from './find-rented.ts'
import { floatingAddress, reachedAt } from './float.ts'
import { giveBack } from './give-back.ts'
import type { Machine } from './machines.ts'
import { resourceName } from './names.ts'
import { networkOrder } from './networks.ts'
import { offers } from './offers.ts'
import { prolong } from './prolong.ts'
import { type Rented, rent } from './rent.ts'
import { type Volume, volumesOfLease } from './volumes.ts'

/** What virtio shows of a volume's id: https://docs.openstack.org/nova/latest/admin/ and 20 characters are all that virtio-blk has. */
const serialLength = 20

/** Rents servers from Nova in the main region: builders, and machines that boot a published image. */
export function createBuilderPool(settings: OpenstackSettings): BuilderPool {
  const { configuration } = settings
  const { prices } = configuration
  return {
    maxBuilders: configuration.maxBuilders,
    offers: (arch, region) => offers(settings, arch, region),
    ...(prices && { rates: (arch) => machineRates(configuration, prices, arch) }),
    acquire: (spec, lease, ctx) => acquire(settings, spec, lease, ctx),
    find: (owner, ctx) => findRented(settings, owner, ctx),
    prolong: (leaseId, expires, ctx) => prolong(settings, leaseId, expires, ctx),
    release: (leaseId, ctx) => giveBack(settings, leaseId, ctx),
    console: (leaseId, ctx) => lastConsoleText(settings, leaseId, ctx),
  }
}

async function acquire(
  settings: OpenstackSettings,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<BuilderRef> {
  const { configuration } = settings
  const rented = await rent(settings, spec, lease, ctx)
  const { machine, user } = rented
  const floating = configuration.floatingNetwork !== undefined
  const host = floating
    ? await floatingAddress(settings, machine, lease, ctx)
    : reachedAt(await networkOrder(settings, ctx), machine)
  if (host === undefined) throw noAddress(machine)
  const volumes = await volumesOfLease(settings, lease.id, ctx)
  const data = volumes.find(({ name }) => name === resourceName(lease.id, 'data'))
  const rates = ratesOf(settings, rented, volumes)
  return {
    leaseId: lease.id,
    arch: lease.arch,
    machine: machine.id,
    address: builderAddress(configuration, host),
    user,
    hostPublicKey: spec.access.hostPublicKey,
    // Whoever may ask the metadata service, or look at the server as an administrator, can read its user-data.
    hostKeyExposed: true,
    ...(data && { dataDisk: data.id.slice(0, serialLength) }),
    ...(rates && { rates }),
  }
}

function ratesOf(
  { configuration: { prices, floatingNetwork } }: OpenstackSettings,
  { machine, request }: Rented,
  volumes: readonly Volume[],
): Rate[] | undefined {
  if (!prices) return undefined
  const word = request?.attempts.find(({ flavor }) => flavor === machine.flavor)?.word ?? machine.flavor
  const sizeGib = volumes.reduce((sum, volume) => sum + volume.sizeGib, 0)
  return [
    machineRate(prices, word),
    ...(sizeGib > 0 ? [volumeRate(prices, sizeGib)] : []),
    ...(floatingNetwork === undefined ? [] : [addressRate(prices)]),
  ]
}

function noAddress({ id }: Machine): FactoryError {
  return new FactoryError({
    code: 'openstack-no-address',
    message: `the server ${id} runs and has no address`,
    hint: 'Name `networks` with a subnet that gives addresses, and `floatingNetwork` where those are not reached from here.',
    class: 'user',
  })
}
