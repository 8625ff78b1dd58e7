import type { BuilderPool, BuilderSpec, Lease } from '#clouds/types.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { builderAddress } from '#clouds/machine-address.ts'
import { addressOf, runningMachine } from './await-machine.ts'
import { lastConsoleText } from './console.ts'
import { fromEveryRegion } from '#clouds/every-region.ts'
import { findRented } from './find-rented.ts'
import { giveBack } from './give-back.ts'
import { offers } from './offers.ts'
import { prolong } from './prolong.ts'
import { machineRate, machineRates, volumeRate } from '../rates.ts'
import { rent } from './rent.ts'
import type { AwsSettings } from '../settings.ts'
import { mapsAddresses, testAddress } from './test-addresses.ts'

/** Rents machines from EC2: builders in the main region, machines that boot a published image in the image's own. */
export function createBuilderPool(settings: AwsSettings): BuilderPool {
  return {
    maxBuilders: settings.configuration.maxBuilders,
    offers: (arch, region) => offers(settings, arch, region),
    rates: (arch, region) => machineRates(settings.configuration, arch, region),
    acquire: (spec, lease, ctx) => acquire(settings, spec, lease, ctx),
    find: (owner, ctx) =>
      fromEveryRegion(settings, ctx, (region) => findRented(settings, region, owner, ctx)),
    prolong: (leaseId, expires, ctx) => prolong(settings, leaseId, expires, ctx),
    release: (leaseId, ctx) => giveBack(settings, leaseId, ctx),
    console: (leaseId, ctx) => lastConsoleText(settings, leaseId, ctx),
  }
}

async function acquire(
  settings: AwsSettings,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<BuilderRef> {
  const { configuration } = settings
  const rented = await rent(settings, spec, lease, ctx)
  const which = mapsAddresses(configuration) ? 'none' : configuration.address
  const machine = await runningMachine(settings, rented.machine, which, ctx)
  const own = () => builderAddress(configuration, addressOf(machine, configuration.address) ?? '')
  return {
    leaseId: lease.id,
    arch: lease.arch,
    machine: machine.id,
    address: (await testAddress(configuration, machine.id)) ?? own(),
    user: rented.user,
    hostPublicKey: spec.access.hostPublicKey,
    // Whoever may describe the machine can read its user-data.
    hostKeyExposed: true,
    rates: [machineRate(configuration, machine), volumeRate(configuration, rented.rootSize)],
  }
}
