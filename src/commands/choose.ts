import { existsSync } from 'node:fs'
import { loadConfiguration } from '#src/config/load.ts'
import type { Configuration } from '#src/config/types.ts'
import { asFactoryError } from '#src/errors.ts'
import type { Listener } from '#src/events.ts'
import type { Journal } from '#src/journal/journal.ts'
import { readJournal } from '#src/journal/journal.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import { type Choice, ignore, pin, promote, rollBack } from '#src/release/choose.ts'
import { markImages } from '#src/release/mark-images.ts'
import type { Requirement } from '#src/release/outcome.ts'
import { streamFile, writeStreams } from '#src/release/streams.ts'
import { asEngine, whoAmI } from './as-engine.ts'
import { commandContext, openClouds } from './clouds.ts'
import { spelled } from './spelling.ts'

const marksLimitMs = 5 * 60_000

interface ChoiceOptions {
  config: string | undefined
  why?: string
  force?: boolean
}

/** Points the channel `promoted` at a release. */
export async function promoteCommand(release: string, options: ChoiceOptions): Promise<number> {
  return await choose(options, {
    path: `/api/releases/${encodeURIComponent(release)}/promote`,
    here: (chooser, choice) => void promote(chooser, release, choice),
    told: ({ channels: { previous } }) => [
      `${release} is promoted.`,
      ...(previous ? [spelled(`Before it was ${previous.release}: factory rollback  goes back to it.`)] : []),
    ],
  })
}

/** Says that a release is not to be used. */
export async function ignoreCommand(release: string, options: ChoiceOptions): Promise<number> {
  return await choose(options, {
    path: `/api/releases/${encodeURIComponent(release)}/ignore`,
    here: (chooser, choice) => ignore(chooser, release, choice),
    told: ({ channels }) => [`${release} is ignored; the candidate is ${channels.candidate ?? 'none now'}.`],
  })
}

/** Keeps a release from `factory gc`, or lets go of it. */
export async function pinCommand(
  release: string,
  { pinned, ...options }: ChoiceOptions & { pinned: boolean },
): Promise<number> {
  return await choose(options, {
    path: `/api/releases/${encodeURIComponent(release)}/pin`,
    more: { pinned },
    here: (chooser, choice) => pin(chooser, release, { ...choice, pinned }),
    told: () => [pinned ? `${release} is pinned.` : `${release} is not pinned any more.`],
  })
}

/** Goes back to what was promoted before. */
export async function rollbackCommand(options: ChoiceOptions): Promise<number> {
  return await choose(options, {
    path: '/api/rollback',
    here: (chooser, choice) => void rollBack(chooser, choice),
    told: ({ channels: { promoted, previous } }) => [
      `${promoted?.release} is promoted again, and ${previous?.release} is the previous one.`,
    ],
  })
}

/** The choice stands whatever becomes of this; what fails is told, and `factory serve` or the next choice does it. */
async function tellClouds(configuration: Configuration, journal: Journal): Promise<void> {
  const listener: Listener = (event) => {
    if (event.type === 'warning') process.stderr.write(`Warning: ${event.message}\n`)
  }
  const { signal, now } = commandContext(AbortSignal.timeout(marksLimitMs))
  try {
    const clouds = await openClouds(configuration)
    await markImages({ configuration, journal, clouds, listener, signal, now }, { repair: false })
  } catch (error) {
    process.stderr.write(`Warning: the clouds were not told: ${asFactoryError(error).message}\n`)
  }
}

interface Chosen {
  /** Of a serving factory, which is asked to do it. */
  path: string
  more?: object
  here(chooser: { journal: Journal; require: Requirement }, choice: Choice): void
  told(state: FactoryState): readonly string[]
}

/** Whatever is chosen, the streams follow before it is told. */
async function choose(options: ChoiceOptions, chosen: Chosen): Promise<number> {
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
    here: async ({ journal }) => {
      chosen.here({ journal, require }, choice)
      await writeStreams(stateDirectory, journal.state(), require)
      await tellClouds(configuration, journal)
    },
    there: { path: chosen.path, body: { ...choice, ...chosen.more } },
  })
  using journal = readJournal(stateDirectory)
  for (const line of chosen.told(journal.state())) process.stderr.write(`${line}\n`)
  const stream = streamFile(stateDirectory, 'promoted')
  if (existsSync(stream)) process.stderr.write(`Stream metadata: ${stream}\n`)
  return 0
}
