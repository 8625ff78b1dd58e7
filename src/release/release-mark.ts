import type { ImageMark } from '#clouds/types.ts'
import type { PublishedImage } from '#src/journal/images.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import { type Requirement, judge } from './outcome.ts'

/** An image of a cloud, every release that has it, and the mark that it should have. */
export interface WantedMark {
  readonly mark: ImageMark
  readonly listings: readonly { release: string; published: PublishedImage }[]
}

/** Of several releases with one image the one that is most to be used decides: its consumers are not to be broken. */
const strongestFirst: readonly ImageMark[] = [
  'promoted',
  'previous',
  'candidate',
  'ignored',
  'superseded',
  'incomplete',
]

/**
 * The mark of every image that is not removed, those to be used first. Of a release to which no channel points something
 * is said only when it is older than the candidate: of a newer one what it lacks may be on its way, or was left out on
 * purpose by --arch or --to, and nothing has taken its place.
 */
export function wantedMarks(state: FactoryState, require: Requirement): WantedMark[] {
  const newest = state.releases.findIndex(({ release }) => release === state.channels.candidate)
  const all = state.releases.flatMap((release, index) => {
    const mark = releaseMark(state, release, require)
    const isNewer = release.outcome === undefined || index > newest
    const isUndecided = isNewer && /^(superseded|incomplete)$/.test(mark)
    return isUndecided
      ? []
      : release.images.map((published) => ({ release: release.release, published, mark }))
  })
  const there = all.filter(({ published }) => published.removal === undefined)
  const byImage = Map.groupBy(there, ({ published: { image } }) =>
    [image.cloud, image.region, image.id].join('\n'),
  )
  const rank = ({ mark }: { mark: ImageMark }) => strongestFirst.indexOf(mark)
  return [...byImage.values()]
    .map((listings) => ({ mark: listings.toSorted((a, b) => rank(a) - rank(b))[0]!.mark, listings }))
    .toSorted((a, b) => rank(a) - rank(b))
}

/** The place of a release in the channels. That people ignored it counts more than that it was promoted once. */
export function releaseMark(state: FactoryState, release: ReleaseState, require: Requirement): ImageMark {
  const { promoted, previous, candidate } = state.channels
  if (promoted?.release === release.release) return 'promoted'
  if (release.ignored !== undefined) return 'ignored'
  if (previous?.release === release.release) return 'previous'
  if (candidate === release.release) return 'candidate'
  return judge(release, require).promotable ? 'superseded' : 'incomplete'
}
