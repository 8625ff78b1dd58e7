import type { ImageMark } from '#clouds/types.ts'
import type { PublishedImage } from '#src/journal/images.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import type { Price } from '#src/cost.ts'
import type { CloudAbilities } from './destinations.ts'
import type { Requirement } from './outcome.ts'
import { storageCost } from './release-cost.ts'
import { releaseMark } from './release-mark.ts'

/** What `factory images --json` prints of one image. */
export interface ListedImage {
  release: string
  arch: string
  cloud: string
  kind: string
  region: string
  id: string
  name: string
  format: string
  sha256: string
  sizeBytes: number
  verified: 'passed' | 'failed' | 'not verified'
  state: ImageMark | 'removed'
  /** Kept by `factory gc` whatever its age. */
  pinned: boolean
  /** Why it is ignored, or was removed. */
  why?: string
  publishedAt: string
  /** What it costs a month; absent where there is no price. */
  month?: Price
}

/** Every published image of every release, newest release first; the clouds lend their prices. */
export function listImages(
  state: FactoryState,
  require: Requirement,
  clouds: CloudAbilities = new Map(),
): ListedImage[] {
  return state.releases.toReversed().flatMap((release) => {
    const artifacts = release.builds.flatMap(({ buildKey }) => state.collected.get(buildKey)?.artifacts ?? [])
    return inOrder(release).map((published) => {
      const month = published.removal ? undefined : storageCost(published, artifacts, clouds).entry?.month
      return { ...listed(state, release, published, require), ...(month ? { month } : {}) }
    })
  })
}

function inOrder({ builds, images }: ReleaseState): PublishedImage[] {
  return builds.flatMap(({ arch }) => images.filter(({ image }) => image.arch === arch))
}

function listed(
  state: FactoryState,
  release: ReleaseState,
  published: PublishedImage,
  require: Requirement,
): ListedImage {
  const { arch, cloud, kind, region, id, name, format, sha256, sizeBytes } = published.image
  return {
    release: release.release,
    arch,
    cloud,
    kind,
    region,
    id,
    name,
    format,
    sha256,
    sizeBytes,
    verified: published.verification?.result ?? 'not verified',
    state: published.removal ? 'removed' : releaseMark(state, release, require),
    pinned: release.pinned !== undefined,
    ...whyOf(published.removal ?? release.ignored),
    publishedAt: new Date(published.publishedAt).toISOString(),
  }
}

function whyOf(decision: { why?: string } | undefined): { why?: string } {
  return decision?.why === undefined ? {} : { why: decision.why }
}
