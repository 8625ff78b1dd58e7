import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import { type Requirement, isRetired, judge } from './outcome.ts'

/** Cut off, failed, or complete only as far as `require` asks: the next run fills in what is missing. */
export function isUnfinished(release: ReleaseState, require: Requirement): boolean {
  if (release.outcome !== 'done') return true
  return !isRetired(release) && judge(release, require).missing.length > 0
}

/** The release that a plan with this key goes on with, if there is one. */
export function unfinishedRelease(
  state: FactoryState,
  key: string,
  require: Requirement,
): ReleaseState | undefined {
  const same = state.releases.findLast((release) => release.key === key)
  return same && !isRetired(same) && isUnfinished(same, require) ? same : undefined
}
