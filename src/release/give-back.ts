import type { ArchitectureName } from '#arch/index.ts'
import type { BuilderPool } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import type { LeaseState } from '#src/journal/leases.ts'
import { isFenced, isLost } from './guard.ts'
import { forgetKeys } from './lease-keys.ts'
import { budgets, withRetries } from './retries.ts'
import { type EngineParts, type ReleaseScope, releaseContext } from './scope.ts'
import { runStep } from './step.ts'

interface GivenBack {
  arch: ArchitectureName
  cloud: string
  pool: BuilderPool
  target?: string
}

const limitMs = 10 * 60_000
const consoleLines = 60

/**
 * Gives everything of a lease back, also after Ctrl-C. A journal or a log that cannot be written must not keep a machine
 * rented: then the cloud is asked without them. What cannot be given back is told; it ends with its lease. The keys go
 * first: without them no engine takes up a lease that was given back by one that could not write that down.
 */
export async function giveBack(
  scope: ReleaseScope,
  request: GivenBack,
  leaseId: string,
  failed = false,
): Promise<void> {
  const { arch, cloud, pool, target } = request
  const place = { arch, step: 'give-back', ...(target === undefined ? {} : { target }) } as const
  const limits = { limitMs, signal: new AbortController().signal }
  let given = false
  try {
    await runStep(scope, place, limits, async (ctx) => {
      if (failed) await logConsole(pool, leaseId, ctx)
      scope.journal.assertCurrent()
      await forgetKeys(leaseId)
      await withRetries('giving back', budgets.giveBack, ctx, () => pool.release(leaseId, ctx))
      given = true
      scope.journal.append({ type: 'lease-released', release: scope.release, leaseId })
      return { result: undefined, summary: summaryOf(scope, cloud, leaseId) }
    })
  } catch (error) {
    if (isFenced(scope.signal)) return
    if (given) return isLost(scope.signal) ? undefined : warnRented(scope, request, leaseId, error)
    const ctx = releaseContext({ now: scope.now, signal: AbortSignal.timeout(limitMs) })
    await forgetKeys(leaseId).catch(() => undefined)
    try {
      await pool.release(leaseId, ctx)
      // It may be only the log that cannot be written; and an open lease keeps its place.
      scope.journal.append({ type: 'lease-released', release: scope.release, leaseId })
    } catch (again) {
      if (!isLost(scope.signal)) warnRented(scope, request, leaseId, again)
    }
  }
}

/**
 * Gives back what the journal says is rented and nobody goes on with: machines of other releases, whose engines are
 * gone or could not give them back, and machines that were adopted. What --keep-builders left is somebody's until its lease ends.
 */
export async function giveBackLeftovers(parts: EngineParts, resuming: string | undefined): Promise<void> {
  const left = parts.journal
    .state()
    .leases.filter(
      (taken) =>
        !taken.released &&
        (taken.lease.release !== resuming || taken.found === true) &&
        !isSomebodys(taken, parts),
    )
  await Promise.all(left.map((taken) => giveBackQuietly(parts, taken)))
}

/** Gives back what a release still has rented for an architecture when nothing more is done there. */
export async function giveBackDone(
  scope: ReleaseScope,
  arch: ArchitectureName,
  which: readonly LeaseState['purpose'][] = ['build', 'verify'],
): Promise<void> {
  const left = scope.journal
    .state()
    .leases.filter(
      ({ released, kept, lease, purpose }) =>
        !released &&
        !kept &&
        lease.release === scope.release &&
        lease.arch === arch &&
        which.includes(purpose),
    )
  for (const taken of left) {
    const pool = scope.clouds.get(taken.cloud)?.builders
    const { cloud, target } = taken
    if (pool) {
      await giveBack(
        scope,
        { arch, cloud, pool, ...(target === undefined ? {} : { target }) },
        taken.lease.id,
      )
    }
  }
}

function isSomebodys({ kept, expires }: LeaseState, { now }: EngineParts): boolean {
  return kept && Date.parse(expires) > now()
}

async function giveBackQuietly(parts: EngineParts, { lease, cloud }: LeaseState): Promise<void> {
  const { id: leaseId, release, arch } = lease
  const signal = AbortSignal.any([parts.signal, AbortSignal.timeout(limitMs)])
  try {
    const pool = parts.clouds.get(cloud)?.builders
    if (!pool) throw cloudGone(cloud)
    parts.journal.assertCurrent()
    await forgetKeys(leaseId)
    await pool.release(leaseId, releaseContext({ now: parts.now, signal }))
    parts.journal.append({ type: 'lease-released', release, leaseId })
  } catch (error) {
    if (parts.signal.aborted) throw error
    warnRented(parts, { arch, cloud }, leaseId, error)
  }
}

/** What never came is not given back; that nothing of it is there is known now all the same. */
function summaryOf({ journal }: EngineParts, cloud: string, leaseId: string): string {
  const known = journal.state().leases.find(({ lease }) => lease.id === leaseId)
  if (known && !known.ref && !known.found) return `nothing of ${leaseId} is rented from ${cloud}`
  return `gave ${leaseId} back to ${cloud}`
}

/** The last words of a machine that failed, before they go with it; into the log, for they are the machine's own. */
async function logConsole(pool: BuilderPool, leaseId: string, ctx: Context): Promise<void> {
  const text = await pool.console?.(leaseId, ctx).catch(() => undefined)
  for (const line of text?.split('\n').slice(-consoleLines) ?? []) ctx.log(`console: ${line}`)
}

function cloudGone(cloud: string): FactoryError {
  return new FactoryError({
    code: 'cloud-unknown',
    message: `${cloud} is no longer in the configuration`,
    hint: `Put ${cloud} back under clouds: once, so that what it has of ours can be given back.`,
    class: 'user',
  })
}

function warnRented(
  scope: EngineParts,
  { arch, cloud }: Pick<GivenBack, 'arch' | 'cloud'>,
  leaseId: string,
  error: unknown,
): void {
  scope.listener({
    type: 'warning',
    at: scope.now(),
    arch,
    message: scope.mask(
      `the machine of lease ${leaseId} could not be given back to ${cloud}: ${asFactoryError(error).message}`,
    ),
    hint:
      (error instanceof FactoryError ? error.hint : undefined) ??
      'The next factory release tries again, so does factory reap; the machine powers itself off when its lease ends.',
  })
}
