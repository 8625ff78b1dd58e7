import type { BuilderPool, Cloud, Image, ImageMark, ImageStore } from '#clouds/types.ts'
import type { Builder } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { type FactoryError, asFactoryError } from '#src/errors.ts'
import type { Journal } from '#src/journal/journal.ts'
import type { EngineParts } from './scope.ts'

const lookEveryMs = 1_000

/**
 * The parts of an engine that may stop being the engine at any time: another one took over while this process was
 * stopped, or the journal cannot be written any more. From then on its signal is aborted, no record is written, and no
 * cloud is asked to change anything.
 */
export function guarded(parts: EngineParts): Disposable & { parts: EngineParts } {
  const lost = new AbortController()
  const journal = watched(parts.journal, (error) => lost.abort(error))
  const look = () => {
    try {
      journal.assertCurrent()
    } catch {
      // The signal tells it.
    }
  }
  const looking = setInterval(look, lookEveryMs)
  looking.unref()
  whenWoken(look)
  const clouds = new Map([...parts.clouds].map(([name, cloud]) => [name, fencedCloud(cloud, journal)]))
  const registry: EngineParts['registry'] = {
    ...parts.registry,
    async writeIndex(request, ctx) {
      journal.assertCurrent()
      return await parts.registry.writeIndex(request, ctx)
    },
  }
  const openBuilder: EngineParts['openBuilder'] = async (ref, login, ctx) =>
    fencedBuilder(await parts.openBuilder(ref, login, ctx), journal)
  const signal = AbortSignal.any([parts.signal, lost.signal])
  return {
    parts: { ...parts, journal, clouds, registry, openBuilder, signal },
    [Symbol.dispose]() {
      clearInterval(looking)
      notWhenWoken(look)
    },
  }
}

/** Many releases may be made at once, each with a guard of its own, and the process has one listener for all of them. */
const looks = new Set<() => void>()

function whenWoken(look: () => void): void {
  if (looks.size === 0) process.on('SIGCONT', lookAll)
  looks.add(look)
}

function notWhenWoken(look: () => void): void {
  looks.delete(look)
  if (looks.size === 0) process.off('SIGCONT', lookAll)
}

function lookAll(): void {
  for (const look of looks) look()
}

/** Whether the engine was taken over: then what is rented belongs to its successor. */
export function isFenced(signal: AbortSignal): boolean {
  return signal.aborted && (signal.reason as Partial<FactoryError> | undefined)?.code === 'fenced'
}

/** Whether the engine cannot go on at all; a person who presses Ctrl-C is another thing. */
export function isLost(signal: AbortSignal): boolean {
  const code = (signal.reason as Partial<FactoryError> | undefined)?.code
  return signal.aborted && (code === 'fenced' || code === 'journal-broken')
}

function watched(journal: Journal, tell: (error: FactoryError) => void): Journal {
  const watch = <T>(call: () => T): T => {
    try {
      return call()
    } catch (caught) {
      const error = asFactoryError(caught)
      if (error.code === 'fenced' || error.code === 'journal-broken') tell(error)
      throw error
    }
  }
  return {
    ...journal,
    state: () => watch(journal.state),
    append: (record) => watch(() => journal.append(record)),
    appendAll: (records) => watch(() => journal.appendAll(records)),
    claim: (record, limit) => watch(() => journal.claim(record, limit)),
    assertCurrent: () => watch(journal.assertCurrent),
  }
}

function fencedCloud(cloud: Cloud, journal: Journal): Cloud {
  const { builders, images, ...rest } = cloud
  return {
    ...rest,
    ...(builders ? { builders: fencedPool(builders, journal) } : {}),
    ...(images ? { images: fencedStore(images, journal) } : {}),
  }
}

/** Every call that changes something asks first whether it still may. */
function fencedPool(pool: BuilderPool, journal: Journal): BuilderPool {
  return {
    ...pool,
    async acquire(spec, lease, ctx) {
      journal.assertCurrent()
      return await pool.acquire(spec, lease, ctx)
    },
    async prolong(leaseId, expires, ctx) {
      journal.assertCurrent()
      await pool.prolong(leaseId, expires, ctx)
    },
    async release(leaseId, ctx) {
      journal.assertCurrent()
      await pool.release(leaseId, ctx)
    },
  }
}

function fencedBuilder(builder: Builder, journal: Journal): Builder {
  return {
    ...builder,
    async writeFile(path, content, mode) {
      journal.assertCurrent()
      await builder.writeFile(path, content, mode)
    },
    async startJob(id, script) {
      journal.assertCurrent()
      await builder.startJob(id, script)
    },
    async sendTree(directory, paths, remoteDirectory) {
      journal.assertCurrent()
      await builder.sendTree(directory, paths, remoteDirectory)
    },
  }
}

function fencedStore(images: ImageStore, journal: Journal): ImageStore {
  return {
    ...images,
    async publish(artifact, key, ctx) {
      journal.assertCurrent()
      return await images.publish(artifact, key, ctx)
    },
    ...(images.mark && {
      async mark(image: Image, mark: ImageMark, ctx: Context) {
        journal.assertCurrent()
        await images.mark!(image, mark, ctx)
      },
    }),
    ...(images.clearUp && {
      async clearUp(key, ctx) {
        journal.assertCurrent()
        await images.clearUp?.(key, ctx)
      },
    }),
    async remove(image, ctx) {
      journal.assertCurrent()
      await images.remove(image, ctx)
    },
    async discard(leftover, ctx) {
      journal.assertCurrent()
      await images.discard(leftover, ctx)
    },
  }
}
