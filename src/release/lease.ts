import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pRetry from 'p-retry'
import type { ArchitectureName } from '#arch/index.ts'
import type { BuilderPool, Image, Lease } from '#clouds/types.ts'
import { makeAccess, secretsDirectory } from '#src/builder/keys.ts'
import type { BuilderLogin, BuilderRef } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { StepName } from '#src/events.ts'
import { replay } from '#src/journal/replay.ts'
import { type EngineParts, type ReleaseScope, releaseContext } from './scope.ts'
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
  const acquiring = Promise.withResolvers<void>()
  let failed = true
  try {
    const rented = await acquire(scope, request, lease, acquiring.resolve)
    const result = await work(rented)
    failed = false
    return result
  } finally {
    const keep = failed && scope.keepBuilders && request.purpose === 'build' && !scope.signal.aborted
    if (keep) keepRented(scope, request, lease.id)
    else {
      // What was given up may still be at work in the cloud: give back only when it can make nothing more.
      await Promise.race([acquiring.promise, delay(settleLimitMs, undefined, { ref: false })])
      await giveBack(scope, request, lease.id, failed)
    }
  }
}

/** Whether a failure is that no machine could be had, so that another cloud may have one. */
export function isLeaseFailure(error: unknown): boolean {
  return typeof error === 'object' && error !== null && leaseFailures.has(error)
}

const leaseFailures = new WeakSet<object>()
const consoleLines = 60
const settleLimitMs = 60_000

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
    const lives =
      Date.parse(known.lease.expires) > scope.now() && existsSync(await keysDirectory(known.lease.id))
    if (cutOff && lives && known.dataBytes === request.dataBytes) return known.lease
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

async function acquire(
  scope: ReleaseScope,
  request: LeaseRequest,
  lease: Lease,
  settled: () => void,
): Promise<Rented> {
  const { arch, pool, purpose, dataBytes, image } = request
  let asked = false
  try {
    return await runStep(scope, place(request, 'lease'), { limitMs: 10 * 60_000 }, async (ctx) => {
      const access = await makeAccess(await keysDirectory(lease.id))
      const leaseMs = scope.configuration.limits.lease
      const spec = { arch, purpose, dataBytes, leaseMs, access }
      asked = true
      const acquiring = pool.acquire(image === undefined ? spec : { ...spec, image }, lease, ctx)
      const ref = await acquiring.finally(settled)
      scope.journal.append({ type: 'lease-acquired', release: scope.release, ref })
      return { result: { ref, login: access }, summary: `${ref.machine} from ${request.cloud}` }
    })
  } catch (error) {
    if (!asked) settled()
    if (error instanceof Error) leaseFailures.add(error)
    throw error
  }
}

/** A journal or a log that cannot be written must not keep a machine rented: then the cloud is asked without them. */
async function giveBack(
  scope: ReleaseScope,
  request: LeaseRequest,
  leaseId: string,
  failed = false,
): Promise<void> {
  const limits = { limitMs: giveBackLimitMs, signal: new AbortController().signal }
  let given = false
  try {
    await runStep(scope, place(request, 'give-back'), limits, async (ctx) => {
      if (failed) await logConsole(request.pool, leaseId, ctx)
      await pRetry(() => request.pool.release(leaseId, ctx), {
        retries: 3,
        minTimeout: 2000,
        randomize: true,
        signal: ctx.signal,
        onFailedAttempt: ({ error }) => ctx.log(`not given back yet: ${error.message}`),
      })
      given = true
      scope.journal.append({ type: 'lease-released', release: scope.release, leaseId })
      await forgetKeys(leaseId)
      return { result: undefined, summary: `gave ${leaseId} back to ${request.cloud}` }
    })
  } catch (error) {
    const ctx = releaseContext({ now: scope.now, signal: AbortSignal.timeout(giveBackLimitMs) })
    if (!given)
      await request.pool
        .release(leaseId, ctx)
        .catch((again: unknown) => warnRented(scope, request, leaseId, again))
    else warnRented(scope, request, leaseId, error)
  }
}

/** The last words of a machine that failed, before they go with it; into the log, for they are the machine's own. */
async function logConsole(pool: BuilderPool, leaseId: string, ctx: Context): Promise<void> {
  const text = await pool.console?.(leaseId, ctx).catch(() => undefined)
  for (const line of text?.split('\n').slice(-consoleLines) ?? []) ctx.log(`console: ${line}`)
}

function warnRented(
  scope: EngineParts,
  request: Pick<LeaseRequest, 'arch' | 'cloud'>,
  leaseId: string,
  error: unknown,
): void {
  const { arch, cloud } = request
  scope.listener({
    type: 'warning',
    at: scope.now(),
    arch,
    message: scope.mask(
      `the machine of lease ${leaseId} could not be given back to ${cloud}: ${asFactoryError(error).message}`,
    ),
    hint: 'The next factory release tries again; the machine powers itself off when its lease ends.',
  })
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
 * give it back. What --keep-builders left is somebody's, and ends with its lease; `resuming` goes on with its own.
 */
export async function giveBackLeftovers(parts: EngineParts, resuming: string | undefined): Promise<void> {
  const left = replay(parts.journal.read()).leases.filter(
    ({ lease, released, kept }) => !released && !kept && lease.release !== resuming,
  )
  await Promise.all(
    left.map(async ({ lease, cloud }) => {
      const { id: leaseId, release, arch } = lease
      const pool = parts.clouds.get(cloud)?.builders
      const signal = AbortSignal.any([parts.signal, AbortSignal.timeout(giveBackLimitMs)])
      try {
        if (!pool) throw new Error(`${cloud} is no longer in the configuration`)
        await pool.release(leaseId, releaseContext({ now: parts.now, signal }))
        parts.journal.append({ type: 'lease-released', release, leaseId })
        await forgetKeys(leaseId)
      } catch (error) {
        warnRented(parts, { arch, cloud }, leaseId, error)
      }
    }),
  )
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
