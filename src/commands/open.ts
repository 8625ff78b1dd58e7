import type { Configuration } from '#src/config/types.ts'
import { loadConfiguration } from '#src/config/load.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import { knownRelease } from '#src/release/known-release.ts'

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
  return (name === undefined ? state.releases.at(-1) : undefined) ?? knownRelease(state, name ?? '')
}
