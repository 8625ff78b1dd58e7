import type { Finding } from '#clouds/types.ts'
import { loadConfiguration } from '#src/config/load.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Context } from '#src/context.ts'
import type { RegistryClient } from '#src/registry/types.ts'
import type { GitSource } from '#src/trigger/git-source.ts'
import { sourcesFor } from '#src/trigger/sources.ts'
import { inputFindings } from '../doctor-inputs.ts'

/** Whether a release could be made of what it would be made of now: the newest commit, where there is a repository. */
export async function* servedInputs(
  {
    configuration,
    config,
    registry,
    source,
  }: {
    configuration: Configuration
    config: string | undefined
    registry: RegistryClient
    source: GitSource | undefined
  },
  ctx: Context,
): AsyncIterable<Finding> {
  await using sources = await sourcesFor(undefined, configuration, source, ctx.signal)
  const options = { fromGit: true }
  const checkFiles = async () => void (await loadConfiguration(config, process.cwd(), process.env, options))
  yield* inputFindings(sources.configuration, { registry, checkFiles }, ctx)
}
