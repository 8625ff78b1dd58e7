import type { FactoryState, PublishedImage, ReleaseState } from '#src/journal/replay.ts'
import type { Requirement } from './outcome.ts'
import { judge } from './outcome.ts'

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
  /** `candidate`: of the release the channel points to; `superseded`: of an older complete one; `incomplete` otherwise. */
  state: 'candidate' | 'superseded' | 'incomplete'
  publishedAt: string
}

/** Every published image of every release, newest release first. */
export function listImages(state: FactoryState, require: Requirement): ListedImage[] {
  return state.releases
    .toReversed()
    .flatMap((release) => inOrder(release).map((published) => listed(state, release, published, require)))
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
    state: imageState(state, release, require),
    publishedAt: new Date(published.publishedAt).toISOString(),
  }
}

function imageState(state: FactoryState, release: ReleaseState, require: Requirement): ListedImage['state'] {
  if (state.channels.candidate === release.release) return 'candidate'
  return judge(release, require).promotable ? 'superseded' : 'incomplete'
}
