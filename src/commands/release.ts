import { type ArtifactStore, openStore } from '#src/artifact/store.ts'
import type { Cloud } from '#clouds/types.ts'
import { loadConfiguration } from '#src/config/load.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Listener } from '#src/events.ts'
import { type Engine, aliveMs, engineAtWork, enterEngine } from '#src/journal/engine.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import { registryClient } from '#src/registry/client.ts'
import type { RegistryClient } from '#src/registry/types.ts'
import type { ReleaseInputs } from '#src/release/inputs.ts'
import { readInputsToGoOn } from '#src/release/inputs-to-go-on.ts'
import { planNow } from '#src/release/last-release.ts'
import type { Plan } from '#src/release/plan.ts'
import { markImages } from '#src/release/mark-images.ts'
import { press } from '#src/release/press.ts'
import { viewRelease } from '#src/release/view.ts'
import type { Screen } from '#src/ui/listener.ts'
import { summaryTable } from '#src/ui/summary.ts'
import { commandContext, openClouds } from './clouds.ts'
import { engineParts } from './engine-parts.ts'
import { onInterruption, whileWatching } from './interruption.ts'
import { otherFactory, toldOf } from './other-factory.ts'
import { askRemote, askServing } from './release-served.ts'
import { type ReleaseCommandOptions, exitCodes, screenFor } from './release-options.ts'
import { secretsOf } from './secrets.ts'
import { programName, shellWord } from './spelling.ts'
import { summaryRows } from './summary-rows.ts'

/** What one press of the button works with, whether it becomes the engine or watches another one. */
interface Button {
  options: ReleaseCommandOptions
  configuration: Configuration
  clouds: ReadonlyMap<string, Cloud>
  store: ArtifactStore
  registry: RegistryClient
  inputs: ReleaseInputs
  screen: Screen
}

/**
 * The button: plans, and builds, collects, publishes and verifies what the plan says. While another process makes a
 * release from the same state directory, this one watches it, and goes on in its place when it is gone. Returns the
 * exit code.
 */
export async function releaseCommand(options: ReleaseCommandOptions): Promise<number> {
  if (options.remote !== undefined) return await askRemote(options.remote, options)
  const served = await servedExitCode(options)
  if (served !== undefined) return served
  const configuration = await loadConfiguration(options.config, process.cwd())
  const { stateDirectory } = configuration
  const clouds = await openClouds(configuration)
  const registry = registryClient({ authFile: configuration.image.authFile })
  const store = openStore(stateDirectory)
  const wanted = { registry, architectures: options.arch }
  const inputs = await readInputsToGoOn(configuration, stateNow(stateDirectory), wanted, commandContext())
  const screen = screenFor(options)
  if (options.takeOver && !engineAtWork(stateDirectory)) {
    const message = 'there is nothing to take over: no other factory is at work on this configuration'
    screen.listen({ type: 'warning', at: Date.now(), message })
  }
  const button: Button = { options, configuration, clouds, store, registry, inputs, screen }
  try {
    for (let takeOver = options.takeOver ?? false; ; takeOver = false) {
      const entered = enterEngine(stateDirectory, { takeOver })
      if ('engine' in entered) {
        using engine = entered.engine
        return await asEngine(button, engine)
      }
      const exitCode = await asViewer(button)
      if (exitCode !== undefined) return exitCode
    }
  } finally {
    await screen.close()
  }
}

/** A factory that serves has the files itself, or they are in its repository. Undefined where none serves, or is gone past. */
async function servedExitCode(options: ReleaseCommandOptions): Promise<number | undefined> {
  const { stateDirectory } = await loadConfiguration(options.config, process.cwd(), process.env, {
    checkFiles: false,
  })
  const atWork = engineAtWork(stateDirectory)
  const isGonePast = options.takeOver === true && (atWork?.silentMs ?? 0) > aliveMs
  return atWork && !isGonePast ? await askServing(stateDirectory, options) : undefined
}

async function asEngine(button: Button, engine: Engine): Promise<number> {
  const { options, configuration, clouds, store, registry, inputs, screen } = button
  const { journal } = engine
  using interruption = onInterruption(resumeCommand())
  if (engine.warning !== undefined) {
    screen.listen({ type: 'warning', at: Date.now(), message: engine.warning })
  }
  await store.clearIncoming()
  const mask = await secretsOf(configuration, inputs)
  const parts = engineParts({
    configuration,
    journal,
    store,
    clouds,
    registry,
    listener: screen.listen,
    signal: interruption.signal,
    mask: mask.text,
    keepBuilders: options.keepBuilders ?? false,
  })
  const result = await press(parts, inputs, selectionOf(options))
  if ('nothingChanged' in result) return 0
  // What fails is told; the next release, choice or look of `factory serve` does it.
  if (result.outcome === 'done') await markImages(parts, { repair: false }).catch(() => undefined)
  await screen.close()
  if (options.output !== 'json') process.stdout.write(summaryTable(summaryRows(result.state)))
  if (result.outcome === 'interrupted') interruption.signal.throwIfAborted()
  if (result.outcome !== 'done') process.stderr.write(`What is missing is made by: ${resumeCommand()}\n`)
  return exitCodes[result.outcome]
}

/** Undefined when this process should try to become the engine: the other one is gone, or made something else. */
async function asViewer(button: Button): Promise<number | undefined> {
  const { options, configuration, screen } = button
  const { stateDirectory } = configuration
  using journal = readJournal(stateDirectory)
  const state = journal.state()
  const { key } = await planFor(button, state)
  const other = otherFactory(stateDirectory, state)
  let seesRelease = other.makesRelease
  using watching = whileWatching(() => seesRelease)
  const listener: Listener = (event) => {
    if (event.type === 'release-started') seesRelease = true
    screen.listen(event)
  }
  listener({ type: 'warning', at: Date.now(), message: toldOf(other, options.takeOver ?? false) })
  const seen = await viewRelease(stateDirectory, listener, watching.signal)
  if (seen.outcome === undefined || seen.key !== key) return undefined
  await screen.close()
  const release = journal.state().releases.findLast((one) => one.key === key)
  if (release && options.output !== 'json') process.stdout.write(summaryTable(summaryRows(release)))
  return exitCodes[seen.outcome]
}

function stateNow(stateDirectory: string): FactoryState {
  using journal = readJournal(stateDirectory)
  return journal.state()
}

async function planFor(button: Button, state: FactoryState): Promise<Plan> {
  const { options, configuration, clouds, store, inputs } = button
  return await planNow(configuration, { clouds, store, state }, inputs, selectionOf(options))
}

function selectionOf({ arch, to, force }: ReleaseCommandOptions) {
  return { architectures: arch, to, force }
}

/** The same command line once more, ready to paste. */
function resumeCommand(): string {
  const home = process.env['FACTORY_HOME']
  const words = process.argv.slice(2).filter((word) => word !== '--take-over')
  const program = programName({ program: process.argv[1], environment: process.env })
  const command = [program, ...words.map(shellWord)].join(' ')
  return home === undefined ? command : `FACTORY_HOME=${shellWord(home)} ${command}`
}
