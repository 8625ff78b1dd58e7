import type { ArchitectureName } from '#arch/index.ts'
import type { ReleaseOutcome } from '#src/events.ts'
import type { PlannedDestination } from '#src/journal/records.ts'
import type { PublishedImage } from '#src/journal/images.ts'
import type { ReleaseState } from '#src/journal/replay.ts'

export type Requirement = 'all' | 'any' | readonly ArchitectureName[]

export interface Judgement {
  outcome: Exclude<ReleaseOutcome, 'interrupted'>
  /** Whether a channel may point to the release. */
  promotable: boolean
  complete: ArchitectureName[]
  missing: ArchitectureName[]
}

/**
 * Says what a release is worth. An architecture is complete when each of its destinations holds its image and
 * none failed its boot check; `require` says which architectures a promotable release must have, as far as the
 * release is about them.
 */
export function judge(
  state: Pick<ReleaseState, 'builds' | 'destinations' | 'images'>,
  require: Requirement,
): Judgement {
  const names = state.builds.map(({ arch }) => arch)
  const complete = names.filter((arch) => isComplete(arch, state))
  const missing = names.filter((arch) => !complete.includes(arch))
  const promotable = satisfies(complete, names, require)
  if (promotable) return { outcome: 'done', promotable, complete, missing }
  return { outcome: state.images.length > 0 ? 'partial' : 'failed', promotable, complete, missing }
}

/** Whether some of its images have been removed again: nobody goes on with it, and no channel points to it any more. */
export function isRetired({ images }: Pick<ReleaseState, 'images'>): boolean {
  return images.some(({ removal }) => removal !== undefined)
}

/** The published image of a destination, if it has one. */
export function imageAt(
  images: readonly PublishedImage[],
  destination: PlannedDestination,
): PublishedImage | undefined {
  const { cloud, region, arch, format } = destination
  return images.findLast(
    ({ image, removal }) =>
      removal === undefined &&
      image.cloud === cloud &&
      image.region === region &&
      image.arch === arch &&
      image.format === format,
  )
}

export function isComplete(
  arch: ArchitectureName,
  state: Pick<ReleaseState, 'builds' | 'destinations' | 'images'>,
): boolean {
  if (!state.builds.some((build) => build.arch === arch && build.collected)) return false
  return state.destinations
    .filter((destination) => destination.arch === arch)
    .every((destination) => {
      const published = imageAt(state.images, destination)
      if (!published) return false
      return destination.verify ? published.verification?.result === 'passed' : true
    })
}

function satisfies(
  complete: readonly ArchitectureName[],
  names: readonly ArchitectureName[],
  require: Requirement,
): boolean {
  if (require === 'all') return complete.length === names.length
  if (require === 'any') return complete.length > 0
  return require.every((arch) => complete.includes(arch) || !names.includes(arch))
}
