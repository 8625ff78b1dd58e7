import type { ArchitectureName } from '#arch/index.ts'
import { leaseGone } from '#clouds/lease-gone.ts'
import type { BuilderPool, Resource, Verdict } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { parseDuration } from '#src/units.ts'
import { acquireSlot } from './acquire.ts'
import type { LeaseOnHost } from './answers.ts'
import { askEvery } from './every-host.ts'
import { onHost } from './host-shell.ts'
import type { Host } from './hosts.ts'
import { forgetHosts, hostsOfLease, lostHosts } from './lease-record.ts'
import { giveSlotBack, lookAt, prolongSlot } from './programs.ts'
import type { SshSettings } from './settings.ts'

/** Lends slots of hosts: each is a place of its own on the host, empty at first, and gone with everything in it at the end. */
export function createBuilderPool(settings: SshSettings): BuilderPool {
  const slotsOf = (hosts: readonly Host[]) => hosts.reduce((sum, { slots }) => sum + slots, 0)
  return {
    maxBuilders: slotsOf(settings.hosts),
    maxBuildersOf: (arch) => slotsOf(settings.hosts.filter((host) => host.arch === arch)),
    waitMs: parseDuration(settings.configuration.waitFor) ?? 0,
    offers: (arch, region) => offers(settings, arch, region),
    acquire: (spec, lease, ctx) => acquireSlot(settings, spec, lease, ctx),
    find: (owner, ctx) => find(settings, owner, ctx),
    prolong: (leaseId, expires, ctx) => prolong(settings, leaseId, expires, ctx),
    release: (leaseId, ctx) => release(settings, leaseId, ctx),
  }
}

function offers({ name, hosts }: SshSettings, arch: ArchitectureName, region?: string): Verdict {
  if (region !== undefined) return { ok: false, reason: 'a host that stands there boots no other image' }
  if (hosts.some((host) => host.arch === arch)) return { ok: true }
  const key = `clouds.${name}.hosts.${arch}`
  return { ok: false, reason: `${key} names no host`, hint: `Add one under ${key}.` }
}

/** A host that does not answer hides nothing of the others, and is told at the end. */
async function* find(settings: SshSettings, owner: string, ctx: Context): AsyncIterable<Resource> {
  const look = (host: Host) =>
    onHost(settings, host, ctx, async (shell) => (await lookAt(settings, host, shell)).leases)
  const { answers, failure } = await askEvery(settings.hosts, ctx, look)
  for (const { host, answer } of answers) {
    for (const lease of answer) if (lease.owner === owner) yield resourceOf(host, lease)
  }
  if (failure) throw failure
}

function resourceOf(host: Host, lease: LeaseOnHost): Resource {
  const { id: leaseId, owner, release, arch, expires, state } = lease
  const id = `${host.name}/${leaseId}`
  return { kind: 'machine', id, region: host.name, owner, release, arch, leaseId, expires, state }
}

async function prolong(settings: SshSettings, leaseId: string, expires: string, ctx: Context): Promise<void> {
  const seconds = Math.max(0, Math.ceil((Date.parse(expires) - ctx.now()) / 1000))
  const ask = (host: Host) =>
    onHost(settings, host, ctx, (shell) => prolongSlot(settings, host, shell, { leaseId, expires, seconds }))
  const { answers, failure } = await askEvery(await hostsOfLease(settings, leaseId), ctx, ask)
  if (answers.some(({ answer }) => answer)) return
  throw failure ?? leaseGone(leaseId)
}

/** A host that does not answer may still have the slot: the lease is not forgotten, and a reaper comes again. */
async function release(settings: SshSettings, leaseId: string, ctx: Context): Promise<void> {
  const ask = (host: Host) =>
    onHost(settings, host, ctx, (shell) => giveSlotBack(settings, host, shell, leaseId))
  const { failure } = await askEvery(await hostsOfLease(settings, leaseId), ctx, ask)
  if (failure) throw failure
  for (const name of await lostHosts(settings, leaseId)) {
    const key = `clouds.${settings.name}.hosts`
    ctx.log(`${key} does not name ${name} any more: what ${leaseId} has there ends by itself with its lease`)
  }
  await forgetHosts(settings, leaseId)
}
