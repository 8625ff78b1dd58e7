import { createHash } from 'node:crypto'
import type { BuilderSpec, Lease } from '#clouds/types.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { type FactoryError, asFactoryError } from '#src/errors.ts'
import { parseDuration } from '#src/units.ts'
import type { Look } from './answers.ts'
import { type Crowd, noHost, noRoom, noSlot, unusable } from './failures.ts'
import { checkHealth, leftOut, withQuarantine } from './health.ts'
import { onHost } from './host-shell.ts'
import type { Host } from './hosts.ts'
import { recordHost, recordedHosts } from './lease-record.ts'
import { takeSlot } from './programs.ts'
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
    if (!tried.crowd.some(({ leases }) => leases.length > 0)) throw hopeless(settings, tried)
    if (ctx.now() + settings.pace.lookEveryMs > deadlineMs) throw crowded(settings, tried.crowd, waitMs)
    if (!told) ctx.log(noSlot(settings, tried.crowd, 0).message)
    ctx.emit({ message: `waiting for a slot of ${tried.crowd.map(({ host }) => host.name).join(', ')}` })
    await ctx.sleep(settings.pace.lookEveryMs)
  }
}

interface Wanted {
  spec: BuilderSpec
  lease: Lease
}

interface Tried {
  /** The one that has a slot for the lease. */
  host?: Host
  /** Hosts that are well and have no place now. */
  crowd: Crowd[]
  failures: FactoryError[]
}

/** One round over the hosts. What failed lately is only tried when no other one is well. */
async function tryHosts(
  settings: SshSettings,
  hosts: readonly Host[],
  wanted: Wanted,
  ctx: Context,
): Promise<Tried> {
  const tried: Tried = { crowd: [], failures: [] }
  const recorded = await recordedHosts(settings, wanted.lease.id)
  const known = hosts.filter(({ name }) => recorded.includes(name))
  const out = await leftOut(settings, ctx)
  const others = hosts.filter((host) => !known.includes(host))
  const rounds = [
    known,
    others.filter(({ name }) => !out.has(name)),
    others.filter(({ name }) => out.has(name)),
  ]
  for (const [index, round] of rounds.entries()) {
    if (index === 2 && tried.crowd.length > 0) break
    for (const host of await inOrder(settings, round, wanted.lease.id, tried, ctx)) {
      const taken = await tryHost(settings, host, wanted, ctx).catch((error: unknown) => {
        ctx.signal.throwIfAborted()
        tried.failures.push(asFactoryError(error))
      })
      if (taken === 'ready') return { ...tried, host }
      if (taken) tried.crowd.push(taken)
    }
  }
  return tried
}

/** Those of the hosts that are well, the emptiest first; equal ones spread over the leases. */
async function inOrder(
  settings: SshSettings,
  hosts: readonly Host[],
  leaseId: string,
  tried: Tried,
  ctx: Context,
): Promise<Host[]> {
  const well: { host: Host; load: number }[] = []
  const look = async (host: Host) => {
    try {
      const check = () => checkHealth(settings, host, ctx)
      const { leases } = await withQuarantine(settings, host, ctx, check)
      well.push({ host, load: loadOf(leases, leaseId) / host.slots })
    } catch (error) {
      ctx.signal.throwIfAborted()
      tried.failures.push(asFactoryError(error))
    }
  }
  await Promise.all(hosts.map(look))
  return well
    .toSorted((a, b) => a.load - b.load || rank(a.host, leaseId) - rank(b.host, leaseId))
    .map(({ host }) => host)
}

/** What is wrong with a host may have come between the look and this. */
async function tryHost(
  settings: SshSettings,
  host: Host,
  { spec, lease }: Wanted,
  ctx: Context,
): Promise<Crowd | 'ready'> {
  await recordHost(settings, lease.id, host)
  const request = {
    lease,
    key: spec.access.authorizedKey.split(' ').slice(0, 2).join(' '),
    neededBytes: spec.dataBytes,
    seconds: Math.round(spec.leaseMs / 1000),
  }
  return await withQuarantine(settings, host, ctx, () =>
    onHost(settings, host, ctx, async (shell) => {
      for (;;) {
        const taken = await takeSlot(settings, host, shell, request)
        if (taken.outcome === 'ready') return 'ready'
        if (taken.outcome !== 'busy') return { host, ...taken }
        ctx.emit({ message: `waiting until ${host.name} has emptied an earlier slot of this lease` })
        await ctx.sleep(1_000)
      }
    }),
  )
}

function reference({ name, ref }: Host, lease: Lease): BuilderRef {
  const { address, user, hostPublicKey } = ref
  const { id: leaseId, arch } = lease
  return { leaseId, arch, machine: name, address, user, hostPublicKey, dataDisk: noDataDisk }
}

function loadOf(leases: Look['leases'], leaseId: string): number {
  return leases.filter(({ id }) => id !== leaseId).length
}

function rank(host: Host, leaseId: string): number {
  return createHash('sha256').update(`${leaseId} ${host.name}`).digest().readUInt32BE()
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
