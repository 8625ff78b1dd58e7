import type { Cloud } from '#clouds/types.ts'
import type { ArtifactStore } from '#src/artifact/store.ts'
import { openBuilder } from '#src/builder/session.ts'
import type { Configuration } from '#src/config/types.ts'
import { podman } from '#src/container/podman.ts'
import { bib } from '#src/disk/bib.ts'
import type { Journal } from '#src/journal/journal.ts'
import type { RegistryClient } from '#src/registry/types.ts'
import type { EngineParts } from '#src/release/scope.ts'

/** The engine with the real parts. */
export function engineParts(
  given: {
    configuration: Configuration
    journal: Journal
    clouds: ReadonlyMap<string, Cloud>
    store: ArtifactStore
    registry: RegistryClient
  } & Pick<EngineParts, 'listener' | 'signal' | 'mask' | 'keepBuilders'>,
): EngineParts {
  const { configuration } = given
  const { stateDirectory, limits } = configuration
  return {
    ...given,
    stateDirectory,
    container: podman,
    disk: bib,
    openBuilder: async (ref, login, session) =>
      await openBuilder(ref, login, session, {
        readyLimitMs: limits.boot,
        reconnectLimitMs: limits.reconnect,
      }),
    now: Date.now,
  }
}
