import { openStore } from '#src/artifact/store.ts'
import type { ReleaseOptions } from '#src/cli.ts'
import { loadConfiguration } from '#src/config/load.ts'
import { readJournal } from '#src/journal/journal.ts'
import { registryClient } from '#src/registry/client.ts'
import { readInputs } from '#src/release/inputs.ts'
import { planNow } from '#src/release/last-release.ts'
import type { Plan } from '#src/release/plan.ts'
import { table } from '#src/ui/table.ts'
import { commandContext, openClouds } from './clouds.ts'

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

function planText(planned: Plan): string {
  const inputs = planned.inputs.bases.map(({ reference, digest }) => `  ${reference} is ${digest}\n`).join('')
  const key = `Release key ${planned.key}\n${inputs}`
  if (planned.nothingChanged) return `${key}Nothing to do: ${planned.nothingChanged.why}.\n`
  const builds = planned.builds.map(({ arch, needed, formats, why }) => [
    arch,
    needed ? 'build' : 'keep',
    formats.join('+'),
    planned.unpublished
      .filter((destination) => destination.arch === arch)
      .map(
        ({ cloud, region, format, verify }) =>
          `${cloud}/${region} ${format}${verify ? '' : ' (not verified)'}`,
      )
      .join(', '),
    why,
  ])
  const machines = planned.machines.map(({ arch, purpose, cost }) => [arch, purpose, cost])
  return [
    key,
    table(['ARCH', 'DO', 'FORMATS', 'PUBLISH TO', 'WHY'], builds),
    table(['ARCH', 'FOR', 'MACHINES'], machines),
  ].join('\n')
}
