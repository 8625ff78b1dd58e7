import { loadConfiguration } from '#src/config/load.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Engine } from '#src/journal/engine.ts'
import { type Choice, ignore, pin, promote, rollBack } from '#src/release/choose.ts'
import { releaseOf, streamFile, writeStreams } from '#src/release/streams.ts'
import { asEngine, whoAmI } from './as-engine.ts'
import { spelled } from './spelling.ts'

interface ChoiceOptions {
  config: string | undefined
  why?: string
  force?: boolean
}

/** Points the channel `promoted` at a release. */
export async function promoteCommand(release: string, options: ChoiceOptions): Promise<number> {
  await choosing(options, async ({ configuration, engine, choice }) => {
    const { journal } = engine
    const moved = promote({ journal, require: configuration.require }, release, choice)
    const { previous } = journal.state().channels
    tell(moved ? `${release} is promoted.` : `${release} is promoted already; nothing changed.`)
    if (moved && previous)
      tell(spelled(`Before it was ${previous.release}: factory rollback  goes back to it.`))
  })
  return 0
}

/** Says that a release is not to be used. */
export async function ignoreCommand(release: string, options: ChoiceOptions): Promise<number> {
  await choosing(options, async ({ configuration, engine, choice }) => {
    ignore({ journal: engine.journal, require: configuration.require }, release, choice)
    const { candidate } = engine.journal.state().channels
    tell(`${release} is ignored; the candidate is ${candidate ?? 'none now'}.`)
  })
  return 0
}

/** Keeps a release from `factory gc`, or lets go of it. */
export async function pinCommand(
  release: string,
  options: ChoiceOptions & { pinned: boolean },
): Promise<number> {
  await choosing(options, async ({ configuration, engine, choice }) => {
    const { journal } = engine
    pin({ journal, require: configuration.require }, release, { ...choice, pinned: options.pinned })
    tell(options.pinned ? `${release} is pinned.` : `${release} is not pinned any more.`)
  })
  return 0
}

/** Goes back to what was promoted before. */
export async function rollbackCommand(options: ChoiceOptions): Promise<number> {
  await choosing(options, async ({ configuration, engine, choice }) => {
    const before = releaseOf(engine.journal.state(), 'promoted')
    const release = rollBack({ journal: engine.journal, require: configuration.require }, choice)
    tell(`${release} is promoted again, and ${before} is the previous one.`)
  })
  return 0
}

interface Choosing {
  configuration: Configuration
  engine: Engine
  choice: Choice
}

/** Whatever was chosen, the streams follow. */
async function choosing(options: ChoiceOptions, work: (choosing: Choosing) => Promise<void>): Promise<void> {
  const configuration = await loadConfiguration(options.config, process.cwd(), process.env, {
    checkFiles: false,
  })
  const { stateDirectory, require } = configuration
  const choice = {
    by: whoAmI(),
    ...(options.why === undefined ? {} : { why: options.why }),
    ...(options.force === undefined ? {} : { force: options.force }),
  }
  await asEngine(stateDirectory, {
    here: async (engine) => {
      await work({ configuration, engine, choice })
      const without = await writeStreams(stateDirectory, engine.journal.state(), require)
      for (const channel of without)
        process.stderr.write(`Warning: ${channel} has no stream metadata: its release was adopted\n`)
      tell(`Stream metadata: ${streamFile(stateDirectory, 'promoted')}`)
      return true
    },
  })
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}
