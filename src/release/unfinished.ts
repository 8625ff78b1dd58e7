import type { ReleaseState } from '#src/journal/replay.ts'
import { type Requirement, judge } from './outcome.ts'

/** Cut off, failed, or complete only as far as `require` asks: the next run fills in what is missing. */
export function isUnfinished(release: ReleaseState, require: Requirement): boolean {
  return release.outcome !== 'done' || judge(release, require).missing.length > 0
}
