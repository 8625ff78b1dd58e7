import { openStore } from '#src/artifact/store.ts'
import type { ReleaseOptions } from '#src/command-line/options.ts'
import { loadConfiguration } from '#src/config/load.ts'
import { readJournal } from '#src/journal/journal.ts'
import { registryClient } from '#src/registry/client.ts'
import { readInputs } from '#src/release/inputs.ts'
import { planNow } from '#src/release/last-release.ts'
import { commandContext, openClouds } from './clouds.ts'
import { planText } from './plan-text.ts'

/** Shows what a release would build, why, where it would go and with which machines; rents and changes nothing. */
export async function planCommand(
  options: ReleaseOptions & { config: string | undefined; json?: boolean },
): Promise<number> {
  const configuration = await loadConfiguration(options.config, process.cwd())
  const ctx = commandContext()
  const clouds = await openClouds(configuration)
  const registry = registryClient({ authFile: configuration.image.authFile })
  using journal = readJournal(configuration.stateDirectory)
  const known = { clouds, store: openStore(configuration.stateDirectory), state: journal.state() }
  const inputs = await readInputs(configuration, { registry, architectures: options.arch }, ctx)
  const selection = { architectures: options.arch, to: options.to, force: options.force }
  const planned = await planNow(configuration, known, inputs, selection)
  process.stdout.write(options.json ? `${JSON.stringify(planned, undefined, 2)}\n` : planText(planned))
  return 0
}
