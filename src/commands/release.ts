import { openStore } from '#src/artifact/store.ts'
import { quoteCommand } from '#src/builder/quote.ts'
import { openBuilder } from '#src/builder/session.ts'
import type { ReleaseOptions } from '#src/cli.ts'
import { loadConfiguration } from '#src/config/load.ts'
import { podman } from '#src/container/podman.ts'
import { bib } from '#src/disk/bib.ts'
import type { ReleaseOutcome } from '#src/events.ts'
import { openJournal } from '#src/journal/journal.ts'
import { lockEngine } from '#src/journal/lock.ts'
import { replay } from '#src/journal/replay.ts'
import { registryClient } from '#src/registry/client.ts'
import { readInputs } from '#src/release/inputs.ts'
import { planNow } from '#src/release/last-release.ts'
import { giveBackLeftovers } from '#src/release/lease.ts'
import { runRelease } from '#src/release/release.ts'
import type { EngineParts } from '#src/release/scope.ts'
import { unfinishedRelease } from '#src/release/unfinished.ts'
import { summaryRows } from './summary-rows.ts'
import { chooseListener } from '#src/ui/choose.ts'
import { summaryTable } from '#src/ui/summary.ts'
import { commandContext, openClouds } from './clouds.ts'
import { onInterruption } from './interruption.ts'
import { secretsOf } from './secrets.ts'

const exitCodes: Record<ReleaseOutcome, number> = { done: 0, failed: 1, partial: 3, interrupted: 130 }

/** The button: plans, and builds, collects, publishes and verifies what the plan says. Returns the exit code. */
export async function releaseCommand(
  options: ReleaseOptions & {
    config: string | undefined
    keepBuilders?: boolean
    output?: 'tree' | 'lines' | 'json'
  },
): Promise<number> {
  const configuration = await loadConfiguration(options.config, process.cwd())
  using _lock = lockEngine(configuration.stateDirectory)
  using journal = openJournal(configuration.stateDirectory)
  using interruption = onInterruption(resumeCommand())
  const ctx = commandContext(interruption.signal)
  const clouds = await openClouds(configuration)
  const registry = registryClient({ authFile: configuration.image.authFile })
  const store = openStore(configuration.stateDirectory)
  const selection = { architectures: options.arch, to: options.to, force: options.force }
  const inputs = await readInputs(configuration, { registry, architectures: options.arch }, ctx)
  const known = { clouds, store, state: replay(journal.read()) }
  const planned = await planNow(configuration, known, inputs, selection)
  const mask = await secretsOf(configuration, inputs)
  const screen = chooseListener(options.output, process.stderr)
  const parts: EngineParts = {
    configuration,
    stateDirectory: configuration.stateDirectory,
    journal,
    store,
    clouds,
    container: podman,
    disk: bib,
    registry,
    openBuilder: async (ref, login, session) =>
      await openBuilder(ref, login, session, { readyLimitMs: configuration.limits.boot }),
    listener: screen.listen,
    signal: interruption.signal,
    now: Date.now,
    mask: mask.text,
    keepBuilders: options.keepBuilders ?? false,
  }
  try {
    const resuming = unfinishedRelease(known.state, planned.key, configuration.require)
    await giveBackLeftovers(parts, resuming?.release)
    if (planned.nothingChanged) {
      screen.listen({ type: 'nothing-changed', at: Date.now(), key: planned.key, ...planned.nothingChanged })
      return 0
    }
    const result = await runRelease(parts, planned, inputs)
    await screen.close()
    if (options.output !== 'json') process.stdout.write(summaryTable(summaryRows(result.state)))
    if (result.outcome === 'interrupted') interruption.signal.throwIfAborted()
    return exitCodes[result.outcome]
  } finally {
    await screen.close()
  }
}

/** The same command line once more, ready to paste. */
function resumeCommand(): string {
  const home = process.env['FACTORY_HOME']
  const command = quoteCommand(['npx', 'factory', ...process.argv.slice(2)])
  return home === undefined ? command : `FACTORY_HOME=${quoteCommand([home])} ${command}`
}
