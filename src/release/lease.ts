import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import pRetry from 'p-retry'
import type { ArchitectureName } from '#arch/index.ts'
import type { BuilderPool, Image, Lease } from '#clouds/types.ts'
import { makeAccess, secretsDirectory } from '#src/builder/keys.ts'
import type { BuilderLogin, BuilderRef } from '#src/builder/types.ts'
import type { StepName } from '#src/events.ts'
import { replay } from '#src/journal/replay.ts'
import type { ReleaseScope } from './scope.ts'
import { stateOf } from './state.ts'
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

export interface Rented {
  ref: BuilderRef
  login: BuilderLogin
}

const giveBackLimitMs = 10 * 60_000

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
  const lease = await takeLease(scope, request)
  let failed = true
  try {
    const rented = await acquire(scope, request, lease)
    const result = await work(rented)
    failed = false
    return result
  } finally {
    const keep = failed && scope.keepBuilders && request.purpose === 'build' && !scope.signal.aborted
    if (keep) keepRented(scope, request, lease.id)
    else await giveBack(scope, request, lease.id)
  }
}

async function takeLease(scope: ReleaseScope, request: LeaseRequest): Promise<Lease> {
  const open = replay(scope.journal.read()).leases.filter(
    (known) =>
      !known.released &&
      known.lease.release === scope.release &&
      known.lease.arch === request.arch &&
      known.cloud === request.cloud &&
      known.purpose === request.purpose &&
      known.target === request.target,
  )
  const cutOff = !stateOf(scope).steps.some(
    ({ arch, target, state }) => arch === request.arch && target === request.target && state === 'failed',
  )
  for (const known of open) {
    if (cutOff && known.dataBytes === request.dataBytes && existsSync(await keysDirectory(known.lease.id)))
      return known.lease
    await giveBack(scope, request, known.lease.id)
  }
  const lease: Lease = {
    id: `${request.arch.replace('_', '-')}-${randomBytes(5).toString('hex')}`,
    owner: scope.configuration.owner,
    release: scope.release,
    arch: request.arch,
    expires: new Date(scope.now() + scope.configuration.limits.lease).toISOString(),
  }
  await makeAccess(await keysDirectory(lease.id))
  scope.journal.append({
    type: 'lease-taken',
    release: scope.release,
    cloud: request.cloud,
    lease,
    purpose: request.purpose,
    dataBytes: request.dataBytes,
    ...(request.target === undefined ? {} : { target: request.target }),
  })
  return lease
}

async function acquire(scope: ReleaseScope, request: LeaseRequest, lease: Lease): Promise<Rented> {
  const { arch, pool, purpose, dataBytes, image } = request
  const access = await makeAccess(await keysDirectory(lease.id))
  return await runStep(scope, place(request, 'lease'), { limitMs: 10 * 60_000 }, async (ctx) => {
    const leaseMs = scope.configuration.limits.lease
    const spec = { arch, purpose, dataBytes, leaseMs, access }
    const ref = await pool.acquire(image === undefined ? spec : { ...spec, image }, lease, ctx)
    scope.journal.append({ type: 'lease-acquired', release: scope.release, ref })
    return { result: { ref, login: access }, summary: `${ref.machine} from ${request.cloud}` }
  })
}

async function giveBack(scope: ReleaseScope, request: LeaseRequest, leaseId: string): Promise<void> {
  const limits = { limitMs: giveBackLimitMs, signal: new AbortController().signal }
  try {
    await runStep(scope, place(request, 'give-back'), limits, async (ctx) => {
      await pRetry(() => request.pool.release(leaseId, ctx), {
        retries: 3,
        minTimeout: 2000,
        randomize: true,
        signal: ctx.signal,
        onFailedAttempt: ({ error }) => ctx.log(`not given back yet: ${error.message}`),
      })
      scope.journal.append({ type: 'lease-released', release: scope.release, leaseId })
      await forgetKeys(leaseId)
      return { result: undefined, summary: `gave ${leaseId} back to ${request.cloud}` }
    })
  } catch (error) {
    scope.listener({
      type: 'warning',
      at: scope.now(),
      arch: request.arch,
      message: `the machine of lease ${leaseId} could not be given back: ${error instanceof Error ? error.message : String(error)}`,
      hint: `It powers itself off when its lease ends; look at what is left in ${request.cloud} now.`,
    })
  }
}

/** Where the keys of a lease lie: on a tmpfs, gone with the lease or the next boot. */
export async function keysDirectory(leaseId: string): Promise<string> {
  return join(await secretsDirectory(), leaseId)
}

/** The keys of a machine that is gone open nothing any more. */
export async function forgetKeys(leaseId: string): Promise<void> {
  await rm(await keysDirectory(leaseId), { recursive: true, force: true })
}

/**
 * Gives back what earlier releases of this state directory still have rented: their engine is gone, or could not
 * give it back. What --keep-builders left is somebody's, and ends with its lease.
 */
export async function giveBackLeftovers(scope: ReleaseScope): Promise<void> {
  const { leases } = replay(scope.journal.read())
  for (const { lease, cloud, purpose, dataBytes, target, released, kept } of leases) {
    const pool = scope.clouds.get(cloud)?.builders
    if (released || kept || lease.release === scope.release || !pool) continue
    const request = { arch: lease.arch, cloud, pool, purpose, dataBytes }
    await giveBack(scope, target === undefined ? request : { ...request, target }, lease.id)
  }
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

function place(request: LeaseRequest, step: StepName) {
  const { arch, target } = request
  return target === undefined ? { arch, step } : { arch, step, target }
}
