import { FactoryError } from '#src/errors.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'

/** The release of that name; throws `release-unknown`, which names the last ones. */
export function knownRelease({ releases }: FactoryState, name: string): ReleaseState {
  const chosen = releases.findLast(({ release }) => release === name)
  if (chosen) return chosen
  const known = releases.map(({ release }) => release)
  throw new FactoryError({
    code: 'release-unknown',
    message: known.length === 0 ? 'there is no release yet' : `there is no release ${name}`,
    hint:
      known.length === 0
        ? 'Make the first one with: factory release'
        : `The last ones are: ${known.slice(-5).join(', ')}`,
    class: 'user',
  })
}
