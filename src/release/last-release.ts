import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import type { Cloud } from '#clouds/types.ts'
import type { ArtifactStore } from '#src/artifact/store.ts'
import type { Configuration } from '#src/config/types.ts'
import { makes } from '#src/disk/matrix.ts'
import type { PlannedDestination } from '#src/journal/records.ts'
import type { CollectedBuild, FactoryState, ReleaseState } from '#src/journal/replay.ts'
import type { InputFacts } from './input-facts.ts'
import type { ReleaseInputs } from './inputs.ts'
import { type Selection, destinationsOf, selectedArchitectures } from './destinations.ts'
import { type LastRelease, type Plan, plan } from './plan.ts'
import { isRetired } from './outcome.ts'
import { isUnfinished } from './unfinished.ts'

/** Plans against what the journal and the store hold right now; asks no cloud for anything. */
export async function planNow(
  configuration: Configuration,
  known: { clouds: ReadonlyMap<string, Cloud>; state: FactoryState; store: ArtifactStore },
  inputs: ReleaseInputs,
  options: Selection & { force?: boolean | undefined },
): Promise<Plan> {
  const { clouds, state, store } = known
  const compared =
    state.releases.findLast(isAboutTheSame(configuration, clouds, options)) ?? state.releases.at(-1)
  const last = compared && lastRelease(compared, state, configuration)
  return plan(configuration, inputs, last, {
    ...options,
    clouds,
    makes,
    collected: await atHand(state, store),
    contentBytes: (arch, format) => newestArtifact(state, arch, format)?.contentBytes,
  })
}

/**
 * A release of one architecture says nothing about all of them: compared is the newest release that has the same
 * architectures and destinations as this plan, where there is one.
 */
function isAboutTheSame(
  configuration: Configuration,
  clouds: ReadonlyMap<string, Cloud>,
  selection: Selection,
): (release: ReleaseState) => boolean {
  const architectures = selectedArchitectures(configuration, selection)
  const places = (destinations: readonly PlannedDestination[]) =>
    destinations
      .map(({ cloud, region, arch, format }) => `${cloud} ${region} ${arch} ${format}`)
      .toSorted()
      .join()
  const planned = places(destinationsOf(configuration, clouds, architectures, selection))
  const asked = architectures.toSorted().join()
  return ({ builds, destinations }) =>
    builds
      .map(({ arch }) => arch)
      .toSorted()
      .join() === asked && places(destinations) === planned
}

/** Builds whose artifacts are still in the store; adopted ones never were. */
async function atHand(state: FactoryState, store: ArtifactStore): Promise<Map<string, CollectedBuild>> {
  const found = new Map<string, CollectedBuild>()
  for (const [buildKey, build] of state.collected) {
    const there = await Promise.all(
      build.artifacts.map(({ sha256, sizeBytes }) => store.has(sha256, sizeBytes)),
    )
    if (there.length > 0 && there.every(Boolean)) found.set(buildKey, build)
  }
  return found
}

/** Of any release: how large images of an architecture get changes little from one to the next. */
function newestArtifact({ collected }: FactoryState, arch: ArchitectureName, format: DiskFormat) {
  return [...collected.values()]
    .flatMap(({ artifacts }) => artifacts)
    .findLast((artifact) => artifact.arch === arch && artifact.format === format)
}

function lastRelease(
  release: ReleaseState,
  { releases }: FactoryState,
  configuration: Configuration,
): LastRelease {
  const before = releases.slice(0, releases.indexOf(release)).toReversed()
  return {
    earlier: before.map((one) => one.release),
    release: release.release,
    key: release.key,
    finished: !isUnfinished(release, configuration.require),
    inputs: (release.inputs ?? undefined) as InputFacts | undefined,
    builds: release.builds.map(({ arch, buildKey }) => ({
      arch,
      buildKey,
      failed: release.steps.some(
        (step) => step.arch === arch && step.state === 'failed' && step.error?.class !== 'interrupted',
      ),
    })),
    // Nobody goes on with a release whose images are being removed: all of it is to be made again.
    images: (isRetired(release) ? [] : release.images).map(({ image, verification }) => ({
      cloud: image.cloud,
      region: image.region,
      arch: image.arch,
      format: image.format,
      verified: verification?.result ?? 'not verified',
    })),
  }
}
