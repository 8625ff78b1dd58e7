import { type ArtifactStore, openStore } from '#src/artifact/store.ts'
import type { ReleaseOptions } from '#src/command-line/options.ts'
import type { Cloud } from '#clouds/types.ts'
import { loadConfiguration } from '#src/config/load.ts'
import type { Configuration } from '#src/config/types.ts'
import { FactoryError } from '#src/errors.ts'
import type { Listener, ReleaseOutcome } from '#src/events.ts'
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
import { chooseListener } from '#src/ui/choose.ts'
import type { Screen } from '#src/ui/listener.ts'
import { summaryTable } from '#src/ui/summary.ts'
import { commandContext, openClouds } from './clouds.ts'
import { engineParts } from './engine-parts.ts'
import { onInterruption, whileWatching } from './interruption.ts'
import { otherFactory, toldOf } from './other-factory.ts'
import { pressThere, remoteAddress, watchTick } from './release-there.ts'
import { secretsOf } from './secrets.ts'
import { programName, shellWord, spelledScreen } from './spelling.ts'
import { summaryRows } from './summary-rows.ts'

const exitCodes: Record<ReleaseOutcome, number> = { done: 0, failed: 1, partial: 3, interrupted: 130 }

interface ReleaseCommandOptions extends ReleaseOptions {
  config: string | undefined
  keepBuilders?: boolean
  takeOver?: boolean
  /** The address of a factory that serves. */
  remote?: string
  output?: 'tree' | 'lines' | 'json'
}

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
  if (options.remote !== undefined) return await askThere(options.remote, options)
  const configuration = await loadConfiguration(options.config, process.cwd())
  const { stateDirectory } = configuration
  const atWork = engineAtWork(stateDirectory)
  const isGonePast = options.takeOver === true && (atWork?.silentMs ?? 0) > aliveMs
  const served = atWork && !isGonePast ? await asWisher(configuration, options) : undefined
  if (served !== undefined) return served
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

function screenFor({ output }: ReleaseCommandOptions): Screen {
  const chosen = chooseListener(output, process.stderr)
  return output === 'json' ? chosen : spelledScreen(chosen)
}

/** Asks a factory on another machine, and leaves the watching to its page. */
async function askThere(url: string, options: ReleaseCommandOptions): Promise<number> {
  const tick = await pressThere(remoteAddress(url), options)
  if (options.output === 'json') process.stdout.write(`${JSON.stringify({ tick })}\n`)
  else process.stderr.write(`Asked for; watch it on ${url}\n`)
  return 0
}

/** Where a factory serves this configuration, it makes the release, and this process shows it; undefined where none does. */
async function asWisher(
  { stateDirectory }: Configuration,
  options: ReleaseCommandOptions,
): Promise<number | undefined> {
  let tick: string
  try {
    tick = await pressThere({ stateDirectory }, options)
  } catch (error) {
    if (error instanceof FactoryError && error.code === 'factory-not-serving') return undefined
    throw error
  }
  const screen = screenFor(options)
  if (options.keepBuilders) {
    const message = 'factory serve makes the release, and keeps no builders: --keep-builders does nothing'
    screen.listen({ type: 'warning', at: Date.now(), message })
  }
  using watching = whileWatching(() => true)
  const done = await watchTick(stateDirectory, tick, screen.listen, watching.signal).catch(
    async (error: unknown) => {
      await screen.close()
      throw error
    },
  )
  if (done.outcome === 'nothing-changed') {
    const { release = '', message: why = '' } = done
    screen.listen({ type: 'nothing-changed', at: Date.now(), key: '', release, why })
    await screen.close()
    return 0
  }
  await screen.close()
  using journal = readJournal(stateDirectory)
  const release = journal.state().releases.findLast((one) => one.release === done.release)
  if (release && options.output !== 'json') process.stdout.write(summaryTable(summaryRows(release)))
  if (!release && done.message !== undefined) process.stderr.write(`error: ${done.message}\n`)
  return release?.outcome ? exitCodes[release.outcome] : 1
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
