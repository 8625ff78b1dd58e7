import { type ArchitectureName, architectureNames } from '#arch/index.ts'
import { asFactoryError } from '#src/errors.ts'
import type { Destination, ReleaseOutcome } from '#src/events.ts'
import type { PlannedDestination } from '#src/journal/records.ts'
import type { ReleaseState } from '#src/journal/replay.ts'
import { buildArchitecture } from './build.ts'
import { destinationsOf } from './destinations.ts'
import { giveBackDone } from './give-back.ts'
import { guarded, isLost } from './guard.ts'
import { writeIndex } from './index-step.ts'
import type { ReleaseInputs } from './inputs.ts'
import { writeManifest } from './manifest.ts'
import { judge } from './outcome.ts'
import { queueName } from './places.ts'
import type { Plan } from './plan.ts'
import { publishAndVerify, readyDestinations } from './publish.ts'
import { reapBeside } from './reap-beside.ts'
import { nextReleaseName } from './release-name.ts'
import type { EngineParts, ReleaseScope } from './scope.ts'
import { stateOf } from './state.ts'
import { writeStreams } from './streams.ts'
import { errorFacts, wasTold } from './step.ts'
import { unfinishedRelease } from './unfinished.ts'

export interface ReleaseResult {
  release: string
  outcome: ReleaseOutcome
  /** Absolute path of release.json. */
  manifest: string
  state: ReleaseState
}

/**
 * Makes a release: every architecture side by side, each build going on to its destinations as soon as its
 * artifacts are here. One that fails never stops the others. An open or incomplete release of the same key is
 * gone on with, and what it has finished is not done again. Throws only when it may not go on at all: `fenced` when
 * another engine took over, `journal-broken`.
 */
export async function runRelease(
  parts: EngineParts,
  plan: Plan,
  inputs: ReleaseInputs,
): Promise<ReleaseResult> {
  using guard = guarded(parts)
  const { journal, listener, now, signal } = guard.parts
  const startedAt = now()
  const { release, resumed } = openRelease(guard.parts, plan)
  const missing = plan.builds.filter(
    ({ arch, needed }) => needed || plan.unpublished.some((one) => one.arch === arch),
  )
  const scope: ReleaseScope = {
    ...guard.parts,
    release,
    key: plan.key,
    queues: queuesOf(parts),
    coming: new Set(missing.map(({ arch }) => arch)),
  }
  listener({
    type: 'release-started',
    at: startedAt,
    release,
    key: plan.key,
    resumed,
    builds: plan.builds.map(({ arch, why }) => ({ arch, why })),
    destinations: plan.destinations.map(shownDestination),
  })
  const reaping = reapBeside(scope).catch((error: unknown) => note(scope, undefined, error))
  // Where everything is done, an earlier engine may have been cut off before it gave the last machine back.
  const complete = plan.builds.filter((build) => !missing.includes(build))
  await Promise.all([
    ...missing.map(({ arch }) => oneArchitecture(scope, plan, inputs, arch)),
    ...complete.map(({ arch }) => giveBackDone(scope, arch)),
  ])
  await reaping
  const concluded = signal.aborted ? 'interrupted' : await conclude(scope)
  if (isLost(signal)) throw signal.reason
  const outcome = signal.aborted ? 'interrupted' : concluded
  const durationMs = now() - startedAt
  const state = stateOf(scope)
  const manifest = await writeManifest(scope, state, inputs)
  await writeStreams(scope.stateDirectory, journal.state(), scope.configuration.require)
  journal.append({ type: 'release-closed', release, outcome, durationMs })
  listener({ type: 'release-finished', at: now(), release, outcome, manifest, durationMs })
  return { release, outcome, manifest, state }
}

/** A release that has what it needs gets its index and then the channel; the old one stays until then. */
async function conclude(scope: ReleaseScope): Promise<ReleaseOutcome> {
  const state = stateOf(scope)
  const { outcome, promotable } = judge(state, scope.configuration.require)
  if (!promotable) return outcome
  if (!isWhole(scope, state)) {
    const message = 'this release leaves out architectures or destinations, so no channel points to it'
    scope.listener({
      type: 'warning',
      at: scope.now(),
      message,
      hint: 'Make a whole one with: factory release',
    })
    return outcome
  }
  if (!(await writeIndex(scope))) return 'partial'
  if (state.ignored) {
    const message = 'this release was ignored, so no channel points to it'
    const hint = `Promote it all the same with: factory promote ${scope.release} --force --why "…"`
    scope.listener({ type: 'warning', at: scope.now(), message, hint })
    return outcome
  }
  scope.journal.append({ type: 'channel-moved', channel: 'candidate', release: scope.release })
  return outcome
}

/** Whether nothing was left out by --arch or --to. */
function isWhole({ configuration, clouds }: ReleaseScope, state: ReleaseState): boolean {
  const all = destinationsOf(configuration, clouds, configuration.architectures, {})
  return (
    state.builds.length === configuration.architectures.length && state.destinations.length === all.length
  )
}

async function oneArchitecture(
  scope: ReleaseScope,
  plan: Plan,
  inputs: ReleaseInputs,
  arch: ArchitectureName,
): Promise<void> {
  const startedAt = scope.now()
  const destinations = plan.unpublished.filter((destination) => destination.arch === arch)
  let ok = true
  try {
    const ready = await readyDestinations(scope, destinations)
    const build = await buildArchitecture(scope, plan, inputs, arch)
    ok = ready.length === destinations.length
    const settled = await Promise.allSettled(
      ready.map((destination) => publishAndVerify(scope, destination, build)),
    )
    for (const result of settled) if (result.status === 'rejected') note(scope, arch, result.reason)
    ok &&= settled.every(({ status }) => status === 'fulfilled')
  } catch (error) {
    ok = false
    note(scope, arch, error)
  }
  scope.coming.delete(arch)
  if (!isLost(scope.signal)) await giveBackDone(scope, arch)
  scope.listener({ type: 'build-finished', at: scope.now(), arch, ok, durationMs: scope.now() - startedAt })
}

/** A step's own failure has been told already; one outside of any step must not be lost either. */
function note(scope: ReleaseScope, arch: ArchitectureName | undefined, caught: unknown): void {
  const error = asFactoryError(caught)
  if (wasTold(error) || scope.signal.aborted) return
  const { code, message, hint } = errorFacts(error, scope.mask)
  const warning = { type: 'warning', at: scope.now(), message: `${message} [${code}]` } as const
  scope.listener({
    ...warning,
    ...(arch === undefined ? {} : { arch }),
    ...(hint === undefined ? {} : { hint }),
  })
}

function openRelease(parts: EngineParts, plan: Plan): { release: string; resumed: boolean } {
  const { journal, configuration, now } = parts
  const state = journal.state()
  const unfinished = unfinishedRelease(state, plan.key, configuration.require)
  if (unfinished) {
    const { release: resumed, inputs } = unfinished
    // The same key says that it is made of the same things, so what the clouds could not tell is known again.
    const adopted = inputs === null ? { adopted: openedWith(plan) } : {}
    journal.append({ type: 'release-resumed', release: resumed, ...adopted })
    return { release: unfinished.release, resumed: true }
  }
  const release = nextReleaseName(
    state.releases.map((known) => known.release),
    new Date(now()),
  )
  journal.append({
    type: 'release-opened',
    release,
    key: plan.key,
    owner: configuration.owner,
    imageName: configuration.image.name,
    ...openedWith(plan),
  })
  return { release, resumed: false }
}

function openedWith({ inputs, builds, destinations }: Plan) {
  return {
    inputs,
    builds: builds.map(({ arch, buildKey, why }) => ({ arch, buildKey, why })),
    destinations: [...destinations],
  }
}

function queuesOf(parts: EngineParts): ReleaseScope['queues'] {
  const names = [...parts.clouds].flatMap(([cloud, { builders }]) =>
    architectureNames.map((arch) => queueName(cloud, builders, arch)),
  )
  return new Map([...new Set(names)].map((name) => [name, []] as const))
}

function shownDestination({ cloud, region, arch, verify }: PlannedDestination): Destination {
  return { cloud, region, arch, verify }
}
