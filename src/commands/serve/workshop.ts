import pLimit from 'p-limit'
import type { Cloud } from '#clouds/types.ts'
import { openStore } from '#src/artifact/store.ts'
import { loadConfiguration } from '#src/config/load.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { Listener } from '#src/events.ts'
import type { Journal } from '#src/journal/journal.ts'
import type { RegistryClient } from '#src/registry/types.ts'
import { type Garbage, collectGarbage } from '#src/release/collect-garbage.ts'
import { markImages } from '#src/release/mark-images.ts'
import { writeStreams } from '#src/release/streams.ts'
import type { GitSource } from '#src/trigger/git-source.ts'
import { sourcesFor } from '#src/trigger/sources.ts'
import type { Due, TickEnd } from '#src/trigger/types.ts'
import type { engineParts } from '../engine-parts.ts'
import { makeRelease } from './making.ts'

/** Where releases are made and images are removed: one at a time, because each stands on what the other does. */
export interface Workshop {
  busy(): boolean
  makeRelease(due: Due): Promise<TickEnd>
  /**
   * Goes by the configuration as it is written now. Throws what is wrong with that, and `factory-busy` while a release is
   * being made: that may take hours.
   */
  collectGarbage(limit: number): Promise<Garbage>
  /** Brings the files of the channels to what the journal says; the clouds are told, too, which is not waited for. */
  follow(): Promise<void>
  /** The clouds show of the channels what the journal says, whatever somebody changed there. */
  repair(): Promise<void>
}

export interface WorkshopParts {
  configuration: Configuration
  journal: Journal
  clouds: ReadonlyMap<string, Cloud>
  registry: RegistryClient
  listener: Listener
  ctx: Context
  /** The repository that releases are built from; without one they are from the files here. */
  source: GitSource | undefined
  engineParts: typeof engineParts
}

/** No release is made of it, so the image's files need not be here. */
const readOnly = { checkFiles: false }

export function openWorkshop(parts: WorkshopParts): Workshop {
  const { configuration, journal, clouds, registry, listener, ctx, source, engineParts } = parts
  const { file, stateDirectory } = configuration
  const store = openStore(stateDirectory)
  const alone = pLimit(1)
  let making = 0
  const marks = { configuration, journal, clouds, listener, signal: ctx.signal, now: ctx.now }
  /** One after the other: what came last is what stands there in the end. */
  const marking = pLimit(1)
  const mark = async (repair: boolean) => await marking(() => markImages(marks, { repair }))
  const follow = async () => {
    await writeStreams(stateDirectory, journal.state(), configuration.require)
    // What fails has been told, and the next time it is tried again.
    void mark(false).catch(() => undefined)
  }
  return {
    busy: () => making > 0,
    follow,
    repair: async () => await mark(true),
    async makeRelease(due) {
      making += 1
      try {
        const sources = (tick: Due) => sourcesFor(tick, configuration, source, ctx.signal)
        const given = {
          journal,
          clouds,
          store,
          registry,
          listener,
          ctx,
          engineParts,
          sourcesFor: sources,
          afterwards: follow,
        }
        return await alone(() => makeRelease(given, due))
      } finally {
        making -= 1
      }
    },
    async collectGarbage(limit) {
      // Of the file as it is now: what a dry run has shown a moment ago, it has shown by that.
      const { retention, require } = await loadConfiguration(file, process.cwd(), process.env, readOnly)
      if (making > 0) {
        throw new FactoryError({
          code: 'factory-busy',
          message: 'a release is being made, and it may use what would be removed',
          hint: 'Run the same command again when it has ended; whether it has: factory status',
          class: 'user',
        })
      }
      const options = { retention, require, limit, dryRun: false }
      return await alone(() => collectGarbage({ journal, clouds, store }, options, ctx))
    },
  }
}
