import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { ArchitectureName } from '#arch/index.ts'
import type { BuilderPool, Image, Lease } from '#clouds/types.ts'
import { makeAccess } from '#src/builder/keys.ts'
import type { BuilderLogin, BuilderRef } from '#src/builder/types.ts'
import type { StepName } from '#src/events.ts'
import type { LeaseState } from '#src/journal/leases.ts'
import { giveBack } from './give-back.ts'
import { isFenced } from './guard.ts'
import { keysDirectory } from './lease-keys.ts'
import { claimPlace } from './places.ts'
import { budgets, withRetries } from './retries.ts'
import { type ReleaseScope, releaseContext } from './scope.ts'
import { runStep } from './step.ts'

export interface LeaseRequest {
  arch: ArchitectureName
  cloud: string
  pool: BuilderPool
  purpose: 'build' | 'verify'
  dataBytes: number
  /** Boot this published image instead of the base disk. */
  image?: Image
  /** The destination that is verified, for the names of steps. */
  target?: string
}

/** What was asked of the cloud, frozen when the lease was taken: a replay asks for exactly this again. */
interface FrozenLease {
  lease: Lease
  dataBytes: number
  leaseMs: number
  image?: Image
  /** Taken by an engine that was cut off. */
  adopted: boolean
}

export interface Rented {
  ref: BuilderRef
  login: BuilderLogin
}

const acquireLimitMs = 10 * 60_000
const settleLimitMs = 60_000

/**
 * Rents a machine for as long as `work` takes. The lease is in the journal before the cloud is asked; the
 * machine is given back however the work ends, also after Ctrl-C. The open lease of an engine that was cut off
 * is adopted as long as its keys are still there; the machine of a failed build is given back for a fresh one.
 */
export async function withMachine<T>(
  scope: ReleaseScope,
  request: LeaseRequest,
  work: (rented: Rented) => Promise<T>,
): Promise<T> {
  const frozen = await takeLease(scope, request)
  const acquiring = Promise.withResolvers<void>()
  let failed = true
  try {
    const rented = await acquire(scope, request, frozen, acquiring.resolve)
    const result = await work(rented)
    failed = false
    return result
  } finally {
    const keep = failed && scope.keepBuilders && request.purpose === 'build' && !scope.signal.aborted
    if (keep) keepRented(scope, request, frozen.lease.id)
    else if (!isFenced(scope.signal)) {
      // What was given up may still be at work in the cloud: give back only when it can make nothing more.
      await Promise.race([acquiring.promise, delay(settleLimitMs, undefined, { ref: false })])
      await giveBack(scope, request, frozen.lease.id, failed)
    }
  }
}

/** Whether a failure is that no machine could be had, so that another cloud may have one. */
export function isLeaseFailure(error: unknown): boolean {
  return typeof error === 'object' && error !== null && leaseFailures.has(error)
}

const leaseFailures = new WeakSet<object>()

async function takeLease(scope: ReleaseScope, request: LeaseRequest): Promise<FrozenLease> {
  for (const known of openLeases(scope, request)) {
    const lives = Date.parse(known.expires) > scope.now() && existsSync(await keysDirectory(known.lease.id))
    if (lives && !known.failed && !known.kept && known.dataBytes >= request.dataBytes) {
      scope.coming.delete(request.arch)
      return frozenOf(known, request, scope.configuration.limits.lease)
    }
    await giveBack(scope, request, known.lease.id)
  }
  const leaseMs = scope.configuration.limits.lease
  const { cloud, purpose, dataBytes, image, target } = request
  const id = `${request.arch.replace('_', '-')}-${randomBytes(5).toString('hex')}`
  const identity = { id, owner: scope.configuration.owner, release: scope.release, arch: request.arch }
  try {
    const lease = await claimPlace(scope, cloud, () => ({
      type: 'lease-taken',
      release: scope.release,
      cloud,
      lease: { ...identity, expires: new Date(scope.now() + leaseMs).toISOString() },
      purpose,
      dataBytes,
      leaseMs,
      ...(image === undefined ? {} : { image }),
      ...(target === undefined ? {} : { target }),
    }))
    return { lease, dataBytes, leaseMs, adopted: false, ...(image === undefined ? {} : { image }) }
  } catch (error) {
    if (error instanceof Error) leaseFailures.add(error)
    throw error
  }
}

function openLeases(scope: ReleaseScope, request: LeaseRequest): LeaseState[] {
  return scope.journal
    .state()
    .leases.filter(
      (known) =>
        !known.released &&
        known.lease.release === scope.release &&
        known.lease.arch === request.arch &&
        known.cloud === request.cloud &&
        known.purpose === request.purpose &&
        known.target === request.target,
    )
}

function frozenOf(known: LeaseState, request: LeaseRequest, leaseMs: number): FrozenLease {
  const { lease, dataBytes } = known
  const image = known.image ?? request.image
  const frozen = { lease, dataBytes, leaseMs: known.leaseMs ?? leaseMs, adopted: true }
  return image === undefined ? frozen : { ...frozen, image }
}

async function acquire(
  scope: ReleaseScope,
  request: LeaseRequest,
  frozen: FrozenLease,
  settled: () => void,
): Promise<Rented> {
  const { arch, pool, purpose } = request
  const { lease, dataBytes, leaseMs, image, adopted } = frozen
  let asked = false
  try {
    const limitMs = acquireLimitMs + (pool.waitMs ?? 0)
    return await runStep(scope, placeOf(request, 'lease'), { limitMs }, async (ctx) => {
      const access = await makeAccess(await keysDirectory(lease.id))
      const spec = { arch, purpose, dataBytes, leaseMs, access }
      asked = true
      const wanted = image === undefined ? spec : { ...spec, image }
      const acquiring = withRetries('renting', budgets.rent, ctx, () => pool.acquire(wanted, lease, ctx))
      const ref = await acquiring.finally(settled)
      scope.journal.append({ type: 'lease-acquired', release: scope.release, ref })
      // On its resources stands the end that was frozen with the lease, which may be near.
      if (adopted) await prolong(scope, pool, lease.id, leaseMs)
      return { result: { ref, login: access }, summary: `${ref.machine} from ${request.cloud}` }
    })
  } catch (error) {
    if (!asked) settled()
    if (error instanceof Error) leaseFailures.add(error)
    throw error
  }
}

/**
 * One heartbeat of a lease towards cloud and journal: its end moves to a whole lease from now. It comes before the
 * machine's own timer is moved, so that nobody takes a living machine for one whose lease is over. An end is never moved
 * back, as a clock that was set back would do.
 */
export async function prolong(
  scope: ReleaseScope,
  pool: BuilderPool,
  leaseId: string,
  leaseMs: number,
): Promise<void> {
  const known = scope.journal.state().leases.find(({ lease }) => lease.id === leaseId)
  const before = known === undefined ? 0 : Date.parse(known.expires)
  const expires = new Date(Math.max(before, scope.now() + leaseMs)).toISOString()
  const signal = AbortSignal.any([scope.signal, AbortSignal.timeout(60_000)])
  await pool.prolong(leaseId, expires, releaseContext({ now: scope.now, signal }))
  scope.journal.append({ type: 'lease-prolonged', release: scope.release, leaseId, expires })
}

function keepRented(scope: ReleaseScope, request: LeaseRequest, leaseId: string): void {
  scope.journal.append({ type: 'lease-kept', release: scope.release, leaseId })
  scope.listener({
    type: 'warning',
    at: scope.now(),
    arch: request.arch,
    message: `the ${request.arch} builder was kept, as --keep-builders asks`,
    hint: `Log in with: factory ssh ${request.arch}`,
  })
}

/** Where the steps of a lease stand: builds have none, verifications have their destination. */
export function placeOf({ arch, target }: Pick<LeaseRequest, 'arch' | 'target'>, step: StepName) {
  return target === undefined ? { arch, step } : { arch, step, target }
}
