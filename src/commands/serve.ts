import { loadConfiguration } from '#src/config/load.ts'
import type { Configuration } from '#src/config/types.ts'
import { FactoryError } from '#src/errors.ts'
import { type Engine, enterEngine } from '#src/journal/engine.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { Output } from '#src/ui/listener.ts'
import { tellFailure } from './error-text.ts'
import { otherFactory } from './other-factory.ts'
import { type ServedParts, serveFactory } from './serve/factory.ts'
import { refuseShared } from './serve/shared.ts'
import { untilTold } from './serve/stopping.ts'

export interface ServeCommandOptions {
  /** The files of the configurations, one an image; none for the usual one. */
  configs: readonly string[]
  parts?: ServedParts | undefined
}

/**
 * Runs releases by rule and shows them, until it is told to stop: then builders go on by themselves, and the next start
 * goes on with their releases. Several images share the process and nothing else: one that fails does not end the others.
 * Ends the process.
 */
export async function serveCommand({ configs, parts }: ServeCommandOptions): Promise<never> {
  const images = await Promise.all((configs.length === 0 ? [undefined] : configs).map(load))
  refuseShared(images)
  const entered = images.map((image) => {
    const what = images.length === 1 ? 'this configuration' : image.configuration.file
    return { ...image, engine: enter(image.configuration, what) }
  })
  using stopping = untilTold()
  const exitCodes = await Promise.all(
    entered.map(async ({ configuration, config, engine }) => {
      const output = images.length === 1 ? process.stderr : named(configuration.image.name)
      const surroundings = { engine, config, stop: stopping.signal, output, parts }
      const exitCode = await serveFactory(configuration, surroundings).then(
        () => 0,
        (error: unknown) => tellFailure(error, output, config),
      )
      if (exitCode !== 0 && images.length > 1) output.write('no longer served; the other images are\n')
      return exitCode
    }),
  )
  // What is under way is cut off as by a kill, and gone on with by the next start. No journal is closed while other images
  // are still about to stop: a release that finds its journal closed gives up its machines.
  for (const [index, { engine }] of entered.entries()) if (exitCodes[index] === 0) engine[Symbol.dispose]()
  // What a restart may cure (1) goes before what it cannot (2).
  process.exit(exitCodes.includes(1) ? 1 : Math.max(...exitCodes))
}

async function load(
  config: string | undefined,
): Promise<{ config: string | undefined; configuration: Configuration }> {
  const configuration = await loadConfiguration(config, process.cwd(), process.env, { fromGit: true })
  return { config, configuration }
}

function enter({ stateDirectory }: Configuration, what: string): Engine {
  const entered = enterEngine(stateDirectory)
  if ('engine' in entered) return entered.engine
  throw taken(stateDirectory, what)
}

/** Every line says which image it is about. */
function named(name: string): Output {
  return { write: (text) => process.stderr.write(text.replaceAll(/^(?=.)/gm, `[${name}] `)) }
}

function taken(stateDirectory: string, what: string): FactoryError {
  using journal = readJournal(stateDirectory)
  const { pid } = otherFactory(stateDirectory, journal.state())
  return new FactoryError({
    code: 'factory-busy',
    message: `another factory command is at work on ${what}${pid === undefined ? '' : ` (process ${pid})`}`,
    hint: 'Wait until it has ended, or end it. What it does is shown by: factory status',
    class: 'user',
  })
}
