import type { ArchitectureName } from '#arch/index.ts'
import { leaseGone } from '#clouds/lease-gone.ts'
import type { BuilderPool, BuilderSpec, Lease, Resource, Verdict } from '#clouds/types.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { lastConsoleText } from './console.ts'
import { askEvery, fromEvery } from './every-hypervisor.ts'
import { findRented } from './find-rented.ts'
import { type Hypervisor, proxyCommand } from './hypervisor.ts'
import { leaseNames } from './lease-names.ts'
import { forgetRegion, mayBeRentedIn, recordRegion, recordedRegion } from './lease-record.ts'
import { findPlace } from './placement.ts'
import { prolongRented } from './prolong.ts'
import { rent } from './rent.ts'
import { type RentedMachine, describeMachine, removeRented } from './rented.ts'
import { type LibvirtSettings, builderPoolName } from './settings.ts'

/** Rents machines from the hypervisors: transient domains on copy-on-write overlays of base disks or published images. */
export function createBuilderPool(settings: LibvirtSettings): BuilderPool {
  return {
    maxBuilders: settings.configuration.maxBuilders,
    offers: (arch, region) => offers(settings, arch, region),
    acquire: (spec, lease, ctx) => acquire(settings, spec, lease, ctx),
    find: (owner, ctx) => find(settings, owner, ctx),
    prolong: (leaseId, expires, ctx) => prolong(settings, leaseId, expires, ctx),
    release: (leaseId, ctx) => release(settings, leaseId, ctx),
    console: (leaseId, ctx) => lastConsoleText(settings, leaseId, ctx),
  }
}

/** A published image needs no base disk, and boots on any hypervisor that it lies on. */
function offers(settings: LibvirtSettings, arch: ArchitectureName, region?: string): Verdict {
  if (region !== undefined || settings.configuration.base[arch]) return { ok: true }
  const key = `clouds.${settings.name}.base.${arch}`
  return { ok: false, reason: `${key} is not in the configuration`, hint: `Add ${key}.volume.` }
}

async function acquire(
  settings: LibvirtSettings,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<BuilderRef> {
  const recorded = await recordedRegion(settings, lease.id)
  const alone = settings.hypervisors.length === 1
  // A hypervisor that does not answer may only be passed over when we never rented there.
  const decides = (region: string) =>
    alone || (recorded !== undefined && mayBeRentedIn(region, recorded, settings))
  const known = await findMachine(settings, lease.id, ctx, decides)
  if (known?.machine.running) return reference(settings, known.hypervisor, known.machine.port, spec, lease)

  const place = await findPlace(settings, spec, lease.id, ctx)
  const { hypervisor, name: poolName } = place.pool
  await recordRegion(settings, lease.id, hypervisor.region)
  // Half of a machine is not finished but made anew: what an interrupted boot wrote is not to be trusted.
  await removeRented(hypervisor, poolName, lease.id, ctx)
  const port = await rent(settings, place, spec, lease, ctx)
  return reference(settings, hypervisor, port, spec, lease)
}

interface Found {
  hypervisor: Hypervisor
  machine: RentedMachine
}

/** The machine of a lease, on whichever hypervisor; throws when there is none and one that decides did not answer. */
async function findMachine(
  settings: LibvirtSettings,
  leaseId: string,
  ctx: Context,
  decides: (region: string) => boolean,
): Promise<Found | undefined> {
  const look = async (hypervisor: Hypervisor): Promise<Found | undefined> => {
    const machine = await describeMachine(hypervisor, leaseNames(leaseId).domain, ctx)
    return machine?.marks.lease === leaseId ? { hypervisor, machine } : undefined
  }
  const { answers, failure } = await askEvery(settings, ctx, look, decides)
  const found = answers.find((answer) => answer !== undefined)
  if (!found && failure) throw failure
  return found
}

function reference(
  settings: LibvirtSettings,
  hypervisor: Hypervisor,
  port: number,
  spec: BuilderSpec,
  lease: Lease,
): BuilderRef {
  const proxy = hypervisor.ssh ? { proxyCommand: proxyCommand(hypervisor.ssh, port) } : {}
  return {
    leaseId: lease.id,
    arch: lease.arch,
    machine: leaseNames(lease.id).domain,
    address: { host: '127.0.0.1', port, ...proxy },
    user: spec.image ? 'root' : (settings.configuration.base[lease.arch]?.user ?? 'root'),
    hostPublicKey: spec.access.hostPublicKey,
  }
}

function find(settings: LibvirtSettings, owner: string, ctx: Context): AsyncIterable<Resource> {
  return fromEvery(settings, ctx, (hypervisor) =>
    findRented(hypervisor, builderPoolName(settings), owner, ctx),
  )
}

/** When the machine has ended by itself there is nothing left that is worth a longer lease. */
async function prolong(
  settings: LibvirtSettings,
  leaseId: string,
  expires: string,
  ctx: Context,
): Promise<void> {
  const decides = await whereRented(settings, leaseId)
  const found = await findMachine(settings, leaseId, ctx, decides)
  if (!found) throw leaseGone(leaseId)
  await prolongRented(found.hypervisor, builderPoolName(settings), found.machine, expires, ctx)
}

async function release(settings: LibvirtSettings, leaseId: string, ctx: Context): Promise<void> {
  const remove = (hypervisor: Hypervisor) => removeRented(hypervisor, builderPoolName(settings), leaseId, ctx)
  const { failure } = await askEvery(settings, ctx, remove, await whereRented(settings, leaseId))
  if (failure) throw failure
  await forgetRegion(settings, leaseId)
}

/** The hypervisor that a lease was rented on must answer, or all of them when nobody knows which it was. */
async function whereRented(settings: LibvirtSettings, leaseId: string): Promise<(region: string) => boolean> {
  const recorded = await recordedRegion(settings, leaseId)
  return (region) => recorded === undefined || mayBeRentedIn(region, recorded, settings)
}
