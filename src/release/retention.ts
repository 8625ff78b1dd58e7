import type { Image } from '#clouds/types.ts'
import { channelNames } from '#src/journal/channels.ts'
import type { CollectedArtifact } from '#src/journal/records.ts'
import type { PublishedImage } from '#src/journal/images.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import { formatAge } from '#src/units.ts'
import { releaseOf } from './streams.ts'
import { type Requirement, isRetired, judge } from './outcome.ts'

export interface Retention {
  /** Newest complete releases. */
  keep: number
  minAgeMs: number
}

/** What no rule keeps any more, the oldest first. */
export interface Superfluous {
  images: { release: string; image: Image; why: string }[]
  artifacts: { release: string; artifact: CollectedArtifact; why: string }[]
  /** Why each other release stays. */
  kept: { release: string; why: string }[]
}

/**
 * Says what `factory gc` may remove: nothing of a release that a channel points to, that is pinned, open, younger than
 * `minAgeMs`, or one of the last `keep` complete ones; and nothing that one of those shares with an older one, because the
 * same content is one image. Pure: what machines use, the clouds know.
 */
export function superfluous(
  state: FactoryState,
  { keep, minAgeMs }: Retention,
  { require, now }: { require: Requirement; now: number },
): Superfluous {
  const newest = state.releases
    .filter((release) => !release.ignored && !isRetired(release) && judge(release, require).promotable)
    .slice(keep === 0 ? Infinity : -keep)
  const reasons = new Map(
    state.releases.map((release) => [
      release,
      keptBecause(state, release, { isNewest: newest.includes(release), minAgeMs, now }),
    ]),
  )
  const keptReleases = state.releases.filter((release) => reasons.get(release) !== undefined)
  const over = state.releases.filter((release) => !keptReleases.includes(release))
  const keptImages = new Set(keptReleases.flatMap(({ images }) => images.filter(isThere).map(identityOf)))
  const keptArtifacts = new Set(
    keptReleases.flatMap((release) => artifactsOf(state, release)).map(({ sha256 }) => sha256),
  )
  const seen = new Set<string>()
  const once = (key: string) => !seen.has(key) && seen.add(key).size > 0
  return {
    images: over.flatMap((release) =>
      release.images
        .filter((published) => isThere(published) && !keptImages.has(identityOf(published)))
        .filter((published) => once(identityOf(published)))
        .map(({ image }) => ({ release: release.release, image, why: goesBecause(release, now) })),
    ),
    artifacts: over.flatMap((release) =>
      artifactsOf(state, release)
        .filter(({ sha256 }) => !keptArtifacts.has(sha256) && once(sha256))
        .map((artifact) => ({ release: release.release, artifact, why: goesBecause(release, now) })),
    ),
    kept: keptReleases.map((release) => ({ release: release.release, why: reasons.get(release) ?? '' })),
  }
}

function keptBecause(
  state: FactoryState,
  release: ReleaseState,
  { isNewest, minAgeMs, now }: { isNewest: boolean; minAgeMs: number; now: number },
): string | undefined {
  const channels = channelNames.filter((name) => releaseOf(state, name) === release.release)
  if (channels.length > 0) return channels.join(', ')
  if (release.pinned) return release.pinned.why ? `pinned: ${release.pinned.why}` : 'pinned'
  if (release.outcome === undefined) return 'not finished'
  if (state.leases.some(({ lease, released }) => lease.release === release.release && !released))
    return 'a machine of it is rented'
  if (isNewest) return 'one of the newest complete ones'
  if (ageOf(release, now) < minAgeMs) return `only ${ageText(release, now)}`
  return undefined
}

function goesBecause(release: ReleaseState, now: number): string {
  const age = ageText(release, now)
  if (release.ignored) return `${age}, ignored${release.ignored.why ? `: ${release.ignored.why}` : ''}`
  return release.outcome === 'done' ? `${age}, superseded` : `${age}, never complete`
}

function ageText(release: ReleaseState, now: number): string {
  const age = formatAge(ageOf(release, now))
  return age === 'just now' ? 'just made' : `${age} old`
}

/** From its last image on: a release that was filled in later is as young as that. */
function ageOf({ openedAt, images }: ReleaseState, now: number): number {
  return now - Math.max(openedAt, ...images.map(({ publishedAt }) => publishedAt))
}

function artifactsOf({ collected }: FactoryState, { builds }: ReleaseState): CollectedArtifact[] {
  return builds.flatMap(({ buildKey }) => {
    const build = collected.get(buildKey)
    return build && !build.removed ? build.artifacts : []
  })
}

/** One whose removal was begun and not seen to its end is still to be removed. */
function isThere({ removal }: PublishedImage): boolean {
  return removal?.done !== true
}

function identityOf({ image: { cloud, region, arch, id } }: PublishedImage): string {
  return [cloud, region, arch, id].join(' ')
}
