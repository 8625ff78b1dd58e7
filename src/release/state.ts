import { FactoryError } from '#src/errors.ts'
import type { ReleaseState } from '#src/journal/replay.ts'
import type { ReleaseScope } from './scope.ts'

/** What the journal knows of the release that is being made. */
export function stateOf(scope: Pick<ReleaseScope, 'journal' | 'release'>): ReleaseState {
  const state = scope.journal.state().releases.findLast(({ release }) => release === scope.release)
  if (state) return state
  throw new FactoryError({
    code: 'release-lost',
    message: `the journal does not know the release ${scope.release} that is being made`,
    hint: 'This is a defect of the factory: please report it with the journal.',
    class: 'bug',
  })
}
