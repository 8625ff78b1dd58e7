import type { ArchitectureName } from '#arch/index.ts'
import type { Verdict } from '#clouds/types.ts'
import { keepLease } from '#src/builder/heartbeat.ts'
import type { DiskBudget } from '#src/builder/budget.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import type { CollectedBuild } from '#src/journal/replay.ts'
import { formatBytes } from '#src/units.ts'
import { buildBudget } from './budget.ts'
import { type BuildScope, collectStep, containerStep, disksStep, prepare, pushStep } from './build-steps.ts'
import { giveBackDone } from './give-back.ts'
import { identityOf } from './identity.ts'
import type { ReleaseInputs } from './inputs.ts'
import { isLeaseFailure, prolong, withMachine } from './lease.ts'
import type { Plan, PlannedBuild } from './plan.ts'
import { budgets, pauseMs, spender } from './retries.ts'
import { type ReleaseScope, releaseContext } from './scope.ts'

/**
 * Makes the artifacts of one architecture, or finds those that an earlier release made of the same inputs. The
 * clouds are tried in their order when one has no machine to give; a build that ran out of disk is tried once
 * more with twice the space, one whose machine was lost once more on a fresh one; anything else fails.
 */
export async function buildArchitecture(
  scope: ReleaseScope,
  plan: Plan,
  inputs: ReleaseInputs,
  arch: ArchitectureName,
): Promise<CollectedBuild> {
  const planned = plan.builds.find((build) => build.arch === arch)
  if (!planned)
    throw new FactoryError({
      code: 'build-unplanned',
      message: `no build of ${arch} was planned`,
      class: 'bug',
    })
  const { buildKey, formats } = planned
  const before = await collectedBefore(scope, planned)
  if (before) {
    scope.coming.delete(arch)
    // An engine may have been cut off between the last byte and giving the machine back: its place is needed now.
    await giveBackDone(scope, arch, ['build'])
    return before
  }

  const { release, configuration } = scope
  const identity = identityOf({ imageName: configuration.image.name, release, buildKey, arch })
  const built = configuration.image.source.kind === 'ref' ? '' : identity
  return await onSomeMachine({ scope, inputs, arch, buildKey, formats, identity: built })
}

/** Nobody waits for the artifacts of a build that is not needed: they may be gone, or never have been here. */
async function collectedBefore(
  scope: ReleaseScope,
  { buildKey, needed }: PlannedBuild,
): Promise<CollectedBuild | undefined> {
  const known = scope.journal.state().collected.get(buildKey)
  if (!known || !needed) return known
  if (known.artifacts.length === 0) return undefined
  for (const { sha256, sizeBytes } of known.artifacts) {
    if (!(await scope.store.has(sha256, sizeBytes))) return undefined
  }
  return known
}

/**
 * Tries until a machine has made the build or nothing is left to try: the next cloud when one has no machine, a fresh
 * machine when one was lost, twice the space when the disk was full.
 */
async function onSomeMachine(build: BuildScope): Promise<CollectedBuild> {
  const { scope, arch, inputs, formats } = build
  const names = scope.configuration.builders[arch] ?? []
  const budget = await buildBudget(scope.registry, inputs, { arch, formats }, releaseContext(scope))
  const spend = spender(budgets.build)
  let dataBytes = budget.totalBytes
  // An engine that was cut off may have come further down the list: its machine is gone on with.
  let at = Math.max(
    0,
    names.findIndex((name) => hasOpenLease(scope, arch, name)),
  )
  for (let tries = 1; ; tries += 1) {
    const name = names[at]
    if (name === undefined) throw noSource(arch)
    try {
      return await onMachine(build, name, dataBytes, budget)
    } catch (caught) {
      const error = asFactoryError(caught)
      if (scope.signal.aborted) throw error
      const next = names[at + 1]
      if (isLeaseFailure(caught) && next !== undefined && mayBeElsewhere(error)) {
        warn(build, `${name} has no ${arch} machine (${error.message}): trying ${next}`)
        at += 1
        continue
      }
      if (isLeaseFailure(caught) && error.class === 'disk-full') throw error
      if (!spend(error)) throw error
      if (error.class === 'disk-full') {
        dataBytes *= 2
        warn(build, `the ${arch} builder's disk was full: once more with ${formatBytes(dataBytes)}`)
        continue
      }
      warn(build, `${error.message}: once more on a fresh machine`, error.hint)
      at = 0
      await releaseContext(scope).sleep(pauseMs(tries))
    }
  }
}

function hasOpenLease(scope: ReleaseScope, arch: ArchitectureName, cloud: string): boolean {
  return scope.journal
    .state()
    .leases.some(
      ({ lease, purpose, released, ...taken }) =>
        !released &&
        purpose === 'build' &&
        lease.release === scope.release &&
        lease.arch === arch &&
        taken.cloud === cloud,
    )
}

/** Whether another cloud may have what this one has not. */
function mayBeElsewhere({ class: failureClass }: FactoryError): boolean {
  return !['user', 'bug', 'interrupted'].includes(failureClass)
}

async function onMachine(
  build: BuildScope,
  cloud: string,
  dataBytes: number,
  budget: DiskBudget,
): Promise<CollectedBuild> {
  const { scope, arch } = build
  const pool = scope.clouds.get(cloud)?.builders
  const verdict = pool?.offers(arch) ?? { ok: false, reason: `${cloud} rents no machines` }
  if (!pool || !verdict.ok) throw notOffered(cloud, arch, verdict)
  const request = { arch, cloud, pool, purpose: 'build', dataBytes } as const
  return await withMachine(scope, request, async (rented) => {
    const session = releaseContext(scope)
    await using builder = await prepare(build, budget, () =>
      scope.openBuilder(rented.ref, rented.login, session),
    )
    // Jobs are idempotent by their id, so a resumed release attaches to what an earlier engine started here.
    const jobId = rented.ref.leaseId
    const leaseMs = scope.configuration.limits.lease
    await using _lease = keepLease(builder, leaseMs, {
      prolong: () => prolong(scope, pool, jobId, leaseMs),
      ctx: { ...session, log: (line) => warn(build, line) },
    })
    await containerStep(build, builder, jobId)
    await pushStep(build, builder, jobId)
    const made = await disksStep(build, builder, jobId)
    return await collectStep(build, builder, made)
  })
}

function warn(build: BuildScope, message: string, hint?: string): void {
  const { scope, arch } = build
  const warning = { type: 'warning', at: scope.now(), arch, message: scope.mask(message) } as const
  scope.listener(hint === undefined ? warning : { ...warning, hint: scope.mask(hint) })
}

function noSource(arch: ArchitectureName): FactoryError {
  return new FactoryError({
    code: 'no-builder-source',
    message: `no cloud rents ${arch} builders`,
    hint: `Name one under builders: ${arch} in the configuration.`,
    class: 'user',
  })
}

function notOffered(cloud: string, arch: ArchitectureName, verdict: Verdict): FactoryError {
  const reason = verdict.ok ? `${cloud} rents no machines` : verdict.reason
  const hint = (verdict.ok ? undefined : verdict.hint) ?? `Name another cloud under builders: ${arch}.`
  return new FactoryError({
    code: 'builder-not-offered',
    message: `${cloud} has no ${arch} builders: ${reason}`,
    hint,
    class: 'capacity',
  })
}
