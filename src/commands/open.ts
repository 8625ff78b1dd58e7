import type { Configuration } from '#src/config/types.ts'
import { loadConfiguration } from '#src/config/load.ts'
import { FactoryError } from '#src/errors.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'

/**
 * What every reading command needs: the configuration and the state derived from its journal. What has been made can be
 * read although the files that it was made of are gone.
 */
export async function openState(
  configFile: string | undefined,
): Promise<{ configuration: Configuration; state: FactoryState }> {
  const configuration = await loadConfiguration(configFile, process.cwd(), process.env, { checkFiles: false })
  using journal = readJournal(configuration.stateDirectory)
  return { configuration, state: journal.state() }
}

/** The release that was named, or the newest. */
export function chooseRelease(state: FactoryState, name: string | undefined): ReleaseState {
  const chosen =
    name === undefined ? state.releases.at(-1) : state.releases.findLast(({ release }) => release === name)
  if (chosen) return chosen
  const known = state.releases.map(({ release }) => release)
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
