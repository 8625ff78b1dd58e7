import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import { problemsError } from '#src/config/problems.ts'
import type { Configuration } from '#src/config/types.ts'
import type { PlannedDestination } from '#src/journal/records.ts'
import { destinationsOf, impossibilities, selectedArchitectures } from './destinations.ts'
import type { CloudAbilities, Selection } from './destinations.ts'
import { buildKeyOf, digestOfJson } from './input-facts.ts'
import type { InputFacts } from './input-facts.ts'
import type { ReleaseInputs } from './inputs.ts'
import { machinesFor } from './machines.ts'
import type { PlannedMachine } from './machines.ts'
import { plannedCosts } from './planned-costs.ts'
import type { ContentBytes, PlannedCosts } from './planned-costs.ts'
import { changes } from './reasons.ts'

/** What the journal knows of the newest release, as far as a plan compares with it. */
export interface LastRelease {
  release: string
  key: string
  /** Closed as done; false while it is open, cut off, partial or failed. */
  finished: boolean
  /** Unknown when the release was adopted from the clouds. */
  inputs: InputFacts | undefined
  builds: readonly { arch: ArchitectureName; buildKey: string; failed: boolean }[]
  images: readonly PublishedAt[]
  /** Names of the releases before it, newest first; asked only where its inputs are unknown. */
  earlier?: readonly string[]
}

export interface PublishedAt {
  cloud: string
  region: string
  arch: ArchitectureName
  format: DiskFormat
  verified: 'passed' | 'failed' | 'not verified'
}

export interface PlanOptions extends Selection {
  /** Build although nothing changed; an unfinished release of the same inputs is gone on with first. */
  force?: boolean | undefined
  clouds: CloudAbilities
  makes(arch: ArchitectureName, format: DiskFormat): boolean
  /** Builds whose artifacts are at hand, by build key, with the release that made them. */
  collected: ReadonlyMap<string, { release: string }>
  contentBytes?: ContentBytes
}

export interface PlannedBuild {
  arch: ArchitectureName
  buildKey: string
  formats: readonly DiskFormat[]
  /** False when the artifacts are there already, or nobody waits for them any more. */
  needed: boolean
  why: string
}

export interface Plan {
  /** The same inputs and the same destinations give the same key. */
  key: string
  /** What the journal keeps, for the next plan to compare with. */
  inputs: InputFacts
  builds: readonly PlannedBuild[]
  destinations: readonly PlannedDestination[]
  /** Those that have no image yet, or none that was verified as asked. */
  unpublished: readonly PlannedDestination[]
  /** There is nothing to do, and why. */
  nothingChanged?: { release: string; why: string }
  machines: readonly PlannedMachine[]
  /** Absent where no cloud of the plan has prices. */
  costs?: PlannedCosts | undefined
}

/**
 * Decides what a release has to do, and why. Pure: it only looks at what it is given. Throws `plan-impossible`, or the
 * one code that fits, with everything that cannot work.
 */
export function plan(
  configuration: Configuration,
  inputs: ReleaseInputs,
  last: LastRelease | undefined,
  options: PlanOptions,
): Plan {
  const architectures = selectedArchitectures(configuration, options)
  const problems = impossibilities(configuration, options.clouds, architectures, options.makes)
  if (problems.length > 0) {
    throw problemsError(problems, { code: 'plan-impossible', hint: 'Mend the configuration: factory plan' })
  }
  const facts = withForce(inputs.facts, last, options.force ?? false)
  const destinations = destinationsOf(configuration, options.clouds, architectures, options)
  const keys = architectures.map((arch) => ({ arch, buildKey: buildKeyOf(facts, arch) }))
  const key = digestOfJson({
    keys,
    destinations: destinations.map((one) => slotOf(one, options.clouds)).toSorted(),
  })

  const same = last?.key === key ? last : undefined
  const unpublished = destinations.filter((destination) => !isServed(destination, same))
  const builds = keys.map((build) => {
    const waited =
      destinations.every(({ arch }) => arch !== build.arch) ||
      unpublished.some((one) => one.arch === build.arch && imageFor(one, same) === undefined)
    const known = options.collected.get(build.buildKey)
    const needed = waited && known === undefined
    const why = whyBuild(build, facts, last, known, needed)
    return { ...build, formats: facts.formats[build.arch] ?? [], needed, why }
  })
  const work = { key, inputs: facts, builds, destinations, unpublished }
  const machines = machinesFor(configuration, options.clouds, work)
  const costs = plannedCosts(
    options.clouds,
    machines,
    destinations,
    options.contentBytes ?? (() => undefined),
  )
  const planned = { ...work, machines, costs }
  const idle = same?.finished === true && unpublished.length === 0 && builds.every(({ needed }) => !needed)
  return idle ? { ...planned, nothingChanged: nothingChanged(same) } : planned
}

/**
 * `--force` asks for other bytes of the same inputs, so it must give other keys: the release that it repeats becomes an
 * input. Later runs without `--force` keep it, and one that was cut off is gone on with under its own key.
 */
function withForce(facts: InputFacts, last: LastRelease | undefined, force: boolean): InputFacts {
  if (last === undefined) return facts
  if (last.inputs === undefined) return withForceOfAdopted(facts, last, force)
  const { forcedAfter, ...before } = last.inputs
  const unchanged = digestOfJson(before) === digestOfJson(facts)
  if (force && (last.finished || !unchanged)) return { ...facts, forcedAfter: last.release }
  return unchanged && forcedAfter !== undefined ? { ...facts, forcedAfter } : facts
}

/** The keys of an adopted release tell whether it was made of these inputs, and whether it repeated an earlier one. */
function withForceOfAdopted(facts: InputFacts, last: LastRelease, force: boolean): InputFacts {
  const makes = (tried: InputFacts) =>
    last.builds.some(({ arch, buildKey }) => buildKeyOf(tried, arch) === buildKey)
  const tries = [facts, ...(last.earlier ?? []).map((release) => ({ ...facts, forcedAfter: release }))]
  const same = tries.find(makes)
  if (force && (last.finished || !same)) return { ...facts, forcedAfter: last.release }
  return same ?? facts
}

/** A destination that has its image may still wait for its boot check, but no longer for a build. */
function imageFor(destination: PlannedDestination, same: LastRelease | undefined): PublishedAt | undefined {
  return same?.images.find(
    ({ cloud, region, arch, format }) =>
      cloud === destination.cloud &&
      region === destination.region &&
      arch === destination.arch &&
      format === destination.format,
  )
}

function isServed(destination: PlannedDestination, same: LastRelease | undefined): boolean {
  const image = imageFor(destination, same)
  return image !== undefined && (!destination.verify || image.verified === 'passed')
}

function whyBuild(
  { arch, buildKey }: { arch: ArchitectureName; buildKey: string },
  facts: InputFacts,
  last: LastRelease | undefined,
  known: { release: string } | undefined,
  needed: boolean,
): string {
  if (known !== undefined) return `already built by release ${known.release}, from the same inputs`
  if (!needed) return 'nothing that goes into it changed, and it is published'
  if (last === undefined) return 'first release'
  const before = last.builds.find((build) => build.arch === arch)
  if (before === undefined) return `${arch} was not in release ${last.release}`
  if (before.buildKey === buildKey) {
    return before.failed
      ? `the last release of these inputs (${last.release}) failed on ${arch}`
      : `release ${last.release} did not finish ${arch}`
  }
  if (last.inputs === undefined)
    return `release ${last.release} was adopted; what it was made of is not known`
  const differences = changes(last.inputs, facts, arch)
  if (differences.length > 0) return differences.join('; ')
  return facts.forcedAfter === undefined ? 'the factory itself changed' : 'forced'
}

function slotOf({ cloud, region, arch, format, verify }: PlannedDestination, clouds: CloudAbilities): string {
  const location = clouds.get(cloud)?.images?.location(region)
  return JSON.stringify([cloud, region, arch, format, verify, location])
}

function nothingChanged({ release, images }: LastRelease): { release: string; why: string } {
  const published =
    images.length === 1 ? 'its image is published' : `its ${images.length} images are published`
  return { release, why: `every input is the one that release ${release} was made of, and ${published}` }
}
