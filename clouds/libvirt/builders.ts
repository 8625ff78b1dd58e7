import type { ArchitectureName } from '#arch/index.ts'
import type { BuilderPool, BuilderSpec, Lease, Resource, Verdict } from '#clouds/types.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { type FactoryError, asFactoryError } from '#src/errors.ts'
import { lastConsoleText } from './console.ts'
import { findRented } from './find-rented.ts'
import { type Hypervisor, proxyCommand } from './hypervisor.ts'
import { leaseNames } from './lease-names.ts'
import { forgetRegion, recordRegion, recordedRegion } from './lease-record.ts'
import { findPlace } from './placement.ts'
import { rent } from './rent.ts'
import { describeMachine, removeRented } from './rented.ts'
import { type LibvirtSettings, builderPoolName } from './settings.ts'

/** Rents machines from the hypervisors: transient domains on copy-on-write overlays of base disks or published images. */
export function createBuilderPool(settings: LibvirtSettings): BuilderPool {
  return {
    maxBuilders: settings.configuration.maxBuilders,
    offers: (arch) => offers(settings, arch),
    acquire: (spec, lease, ctx) => acquire(settings, spec, lease, ctx),
    find: (owner, ctx) => find(settings, owner, ctx),
    release: (leaseId, ctx) => release(settings, leaseId, ctx),
    console: (leaseId, ctx) => lastConsoleText(settings, leaseId, ctx),
  }
}

function offers(settings: LibvirtSettings, arch: ArchitectureName): Verdict {
  if (settings.configuration.base[arch]) return { ok: true }
  const key = `clouds.${settings.name}.base.${arch}`
  return { ok: false, reason: `${key} is not in the configuration`, hint: `Add ${key}.volume.` }
}

async function acquire(
  settings: LibvirtSettings,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<BuilderRef> {
  const known = await findMachine(settings, lease.id, ctx)
  if (known) return reference(settings, known.hypervisor, known.port, spec, lease)

  const place = await findPlace(settings, spec, lease.id, ctx)
  const { hypervisor, name: poolName } = place.pool
  await recordRegion(settings, lease.id, hypervisor.region)
  // Half of a machine is not finished but made anew: what an interrupted boot wrote is not to be trusted.
  await removeRented(hypervisor, poolName, lease.id, ctx)
  const port = await rent(settings, place, spec, lease, ctx)
  return reference(settings, hypervisor, port, spec, lease)
}

/** The running machine of a lease, on whichever hypervisor. One that does not answer may only be passed over when we never rented there. */
async function findMachine(
  settings: LibvirtSettings,
  leaseId: string,
  ctx: Context,
): Promise<{ hypervisor: Hypervisor; port: number } | undefined> {
  const look = async (hypervisor: Hypervisor) => {
    const machine = await describeMachine(hypervisor, leaseNames(leaseId).domain, ctx)
    return machine?.running && machine.marks.lease === leaseId
      ? { hypervisor, port: machine.port }
      : undefined
  }
  const recorded = await recordedRegion(settings, leaseId)
  const alone = settings.hypervisors.length === 1
  const answers = await everywhere(settings, ctx, look, (region) => alone || region === recorded)
  return answers.find((answer) => answer !== undefined)
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

async function* find(settings: LibvirtSettings, owner: string, ctx: Context): AsyncIterable<Resource> {
  const failures: FactoryError[] = []
  for (const hypervisor of settings.hypervisors) {
    try {
      yield* findRented(hypervisor, builderPoolName(settings), owner, ctx)
    } catch (error) {
      ctx.signal.throwIfAborted()
      failures.push(asFactoryError(error))
    }
  }
  if (failures[0]) throw failures[0]
}

/** The hypervisor that the lease was rented on must answer, or all of them when nobody knows which it was. */
async function release(settings: LibvirtSettings, leaseId: string, ctx: Context): Promise<void> {
  const recorded = await recordedRegion(settings, leaseId)
  const remove = (hypervisor: Hypervisor) => removeRented(hypervisor, builderPoolName(settings), leaseId, ctx)
  await everywhere(settings, ctx, remove, (region) => recorded === undefined || region === recorded)
  await forgetRegion(settings, leaseId)
}

/** Asks all hypervisors side by side; a failure counts only where it decides. */
async function everywhere<T>(
  settings: LibvirtSettings,
  ctx: Context,
  ask: (hypervisor: Hypervisor) => Promise<T>,
  decides: (region: string) => boolean,
): Promise<T[]> {
  const asked = await Promise.allSettled(settings.hypervisors.map(ask))
  ctx.signal.throwIfAborted()
  for (const [index, each] of asked.entries()) {
    if (each.status === 'rejected' && decides(settings.hypervisors[index]!.region)) throw each.reason
  }
  return asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
}
