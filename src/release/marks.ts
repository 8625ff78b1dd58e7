import type { ImageMark } from '#clouds/types.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import { type Requirement, judge } from './outcome.ts'

/** The place of a release's images in the channels: what people chose comes before what the release is by itself. */
export function markOf(
  { channels }: Pick<FactoryState, 'channels'>,
  release: ReleaseState,
  require: Requirement,
): ImageMark {
  const { release: name } = release
  if (channels.promoted?.release === name) return 'promoted'
  if (release.ignored) return 'ignored'
  if (channels.previous?.release === name) return 'previous'
  if (channels.candidate === name) return 'candidate'
  return judge(release, require).promotable ? 'superseded' : 'incomplete'
}
