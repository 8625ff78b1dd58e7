import type { BuilderSpec, Lease } from '#clouds/types.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import type { FactoryError } from '#src/errors.ts'
import { parseDuration } from '#src/units.ts'
import { type Crowd, noHost, noRoom, noSlot, unusable } from './failures.ts'
import type { Host } from './hosts.ts'
import { type Tried, tryHosts } from './placement.ts'
import type { SshSettings } from './settings.ts'

/** No disk of a host may be taken for a build's own: a slot's files lie where the host's do. */
const noDataDisk = 'none-in-a-slot'

/**
 * Takes a slot for the lease on the host that has it already, or on the one with the fewest slots taken. While others have
 * all of them it waits, at most as long as the configuration says and never beyond half of the lease. Throws `no-slot-free`
 * (class capacity) after that, `host-no-room` (class disk-full), and what is wrong with the hosts when none can be used.
 */
export async function acquireSlot(
  settings: SshSettings,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<BuilderRef> {
  const hosts = settings.hosts.filter(({ arch }) => arch === spec.arch)
  if (hosts.length === 0) throw noHost(settings, spec.arch)
  const waitMs = Math.min(parseDuration(settings.configuration.waitFor) ?? 0, spec.leaseMs / 2)
  const deadlineMs = ctx.now() + waitMs
  for (let told = false; ; told = true) {
    const tried = await tryHosts(settings, hosts, { spec, lease }, ctx)
    if (tried.host) return reference(tried.host, lease)
    if (!tried.crowd.some(mayClear)) throw hopeless(settings, tried)
    if (ctx.now() + settings.pace.lookEveryMs > deadlineMs) throw crowded(settings, tried.crowd, waitMs)
    if (!told) ctx.log(noSlot(settings, tried.crowd, 0).message)
    ctx.emit({ message: `waiting for a slot of ${tried.crowd.map(({ host }) => host.name).join(', ')}` })
    await ctx.sleep(settings.pace.lookEveryMs)
  }
}

function reference({ name, ref }: Host, lease: Lease): BuilderRef {
  const { address, user, hostPublicKey } = ref
  const { id: leaseId, arch } = lease
  return { leaseId, arch, machine: name, address, user, hostPublicKey, dataDisk: noDataDisk }
}

/** Others give their slots back, and with them space. */
function mayClear({ outcome, leases }: Crowd): boolean {
  return outcome === 'full' || leases.length > 0
}

/** Nothing will become free by waiting. */
function hopeless(settings: SshSettings, { crowd, failures }: Tried): FactoryError {
  const [small] = crowd
  return small ? noRoom(settings, small) : unusable(settings, failures)
}

function crowded(settings: SshSettings, crowd: readonly Crowd[], waitMs: number): FactoryError {
  const full = crowd.some(({ outcome }) => outcome === 'full')
  return full ? noSlot(settings, crowd, waitMs) : noRoom(settings, crowd[0]!)
}
