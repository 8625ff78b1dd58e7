import { loadConfiguration } from '#src/config/load.ts'
import { FactoryError } from '#src/errors.ts'
import { type Engine, enterEngine } from '#src/journal/engine.ts'
import { adopt } from '#src/release/adopt.ts'
import { commandContext, openClouds } from './clouds.ts'
import { couldNotLookInto } from './failures.ts'
import { spelled } from './spelling.ts'

const limitMs = 30 * 60_000

/** Takes what the clouds hold of ours into the journal, when the state directory was lost. */
export async function adoptCommand(options: { config: string | undefined; json: boolean }): Promise<number> {
  // What is lost beside the configuration must not keep anybody from looking at the clouds.
  const configuration = await loadConfiguration(options.config, process.cwd(), process.env, {
    checkFiles: false,
  })
  using engine = enterOrThrow(configuration.stateDirectory)
  const clouds = await openClouds(configuration)
  const ctx = commandContext(AbortSignal.timeout(limitMs))
  const adopted = await adopt(engine.journal, clouds, configuration, ctx)
  if (options.json) process.stdout.write(`${JSON.stringify(adopted, undefined, 2)}\n`)
  else {
    for (const { release, images } of adopted.releases) {
      process.stdout.write(`adopted release ${release}: ${images.join(', ')}\n`)
    }
    for (const { cloud, id } of adopted.machines) {
      process.stdout.write(`adopted machine ${id} of ${cloud}; ${spelled('factory release')} gives it back\n`)
    }
    for (const skipped of adopted.skipped) process.stderr.write(`skipped ${skipped}\n`)
    process.stderr.write(couldNotLookInto(adopted.failures))
    if (Object.values(adopted).every((found: readonly unknown[]) => found.length === 0)) {
      process.stderr.write('There is nothing in the clouds that the journal does not know.\n')
    }
  }
  return adopted.skipped.length + adopted.failures.length > 0 ? 1 : 0
}

/** For commands that write and are no release: they do not wait for one. */
export function enterOrThrow(stateDirectory: string): Engine {
  const entered = enterEngine(stateDirectory)
  if ('engine' in entered) return entered.engine
  throw new FactoryError({
    code: 'release-running',
    message: `another factory is working in ${stateDirectory}`,
    hint: 'Watch it with `factory status`, or wait until it has ended.',
    class: 'user',
  })
}
