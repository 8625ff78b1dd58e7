import { createHash } from 'node:crypto'
import type { BuilderSpec, Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { type FactoryError, asFactoryError } from '#src/errors.ts'
import type { LeaseOnHost } from './answers.ts'
import type { Crowd } from './failures.ts'
import { checkHealth, leftOut, withQuarantine } from './health.ts'
import { onHost } from './host-shell.ts'
import type { Host } from './hosts.ts'
import { recordHost, recordedHosts } from './lease-record.ts'
import { takeSlot } from './programs.ts'
import { hostBusy } from './slot-failures.ts'
import type { SshSettings } from './settings.ts'

/** An earlier slot of the same lease is emptied meanwhile. */
const busyLimitMs = 5 * 60_000

export interface Wanted {
  spec: BuilderSpec
  lease: Lease
}

export interface Tried {
  /** The one that has a slot for the lease. */
  host?: Host
  /** Hosts that are well and have no place now. */
  crowd: Crowd[]
  failures: FactoryError[]
}

/** One round over the hosts. What failed lately is only tried when no other one is well. */
export async function tryHosts(
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
    for (const host of await inOrder(settings, round, { leaseId: wanted.lease.id, recorded }, tried, ctx)) {
      const taken = await tryHost(settings, host, wanted, ctx).catch((error: unknown) => {
        ctx.signal.throwIfAborted()
        const failure = asFactoryError(error)
        // Given back while it was asked for: no other host may have it then.
        if (failure.code === 'lease-over') throw failure
        tried.failures.push(failure)
      })
      if (taken === 'ready') return { ...tried, host }
      if (taken) tried.crowd.push(taken)
    }
  }
  return tried
}

/**
 * Those of the hosts that are well. One where the lease has a slot that lives comes first, of several the one that was
 * taken last, because the build is there; then the emptiest, and equal ones spread over the leases.
 */
async function inOrder(
  settings: SshSettings,
  hosts: readonly Host[],
  { leaseId, recorded }: { leaseId: string; recorded: readonly string[] },
  tried: Tried,
  ctx: Context,
): Promise<Host[]> {
  const looks = await Promise.allSettled(
    hosts.map((host) => withQuarantine(settings, host, ctx, () => checkHealth(settings, host, ctx))),
  )
  ctx.signal.throwIfAborted()
  const well: { host: Host; living: number; load: number }[] = []
  for (const [index, look] of looks.entries()) {
    const host = hosts[index]!
    if (look.status === 'rejected') tried.failures.push(asFactoryError(look.reason))
    else {
      const { leases } = look.value
      const lives = leases.some(({ id, state }) => id === leaseId && state === 'running')
      const living = lives ? 1 + recorded.indexOf(host.name) : -1
      well.push({ host, living, load: loadOf(leases, leaseId) / host.slots })
    }
  }
  return well
    .toSorted(
      (a, b) => b.living - a.living || a.load - b.load || rank(a.host, leaseId) - rank(b.host, leaseId),
    )
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
      for (const deadlineMs = ctx.now() + busyLimitMs; ;) {
        const taken = await takeSlot(settings, host, shell, request)
        if (taken.outcome === 'ready') return 'ready'
        if (taken.outcome !== 'busy') return { host, ...taken }
        if (ctx.now() > deadlineMs) throw hostBusy(host)
        ctx.emit({ message: `waiting until ${host.name} has emptied an earlier slot of this lease` })
        await ctx.sleep(1_000)
      }
    }),
  )
}

function loadOf(leases: readonly LeaseOnHost[], leaseId: string): number {
  return leases.filter(({ id }) => id !== leaseId).length
}

function rank(host: Host, leaseId: string): number {
  return createHash('sha256').update(`${leaseId} ${host.name}`).digest().readUInt32BE()
}
