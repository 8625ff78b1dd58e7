import { readFile } from 'node:fs/promises'
import type { Configuration } from '#src/config/types.ts'
import type { RegistryWatcher } from '#src/registry/types.ts'
import { baseRule, watchedReferences } from '#src/trigger/base.ts'
import { containerfileRule } from '#src/trigger/containerfile.ts'
import { cronRule } from '#src/trigger/cron.ts'
import { type GitSource, openGitSource } from '#src/trigger/git-source.ts'
import { inactivityRule } from '#src/trigger/inactivity.ts'
import { type CheckedOut, checkedOut, commitOf } from '#src/trigger/sources.ts'
import type { Due, Rule } from '#src/trigger/types.ts'

export interface Ruled {
  rules: readonly Rule[]
  /** What is built for a tick: its commit, the newest one, or where no repository is named the files here. */
  sourcesFor(due: Due | undefined, signal: AbortSignal): Promise<CheckedOut>
}

interface Surroundings {
  watcher: RegistryWatcher
  now(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
  log(line: string): void
}

/** The rules of `rebuild:`, and the sources that releases by them are made from. */
export function ruledBy(configuration: Configuration, surroundings: Surroundings): Ruled {
  const { rebuild, stateDirectory } = configuration
  const { cron, timezone, inactivityMs, watch, everyMs } = rebuild
  const source = rebuild.git && openGitSource(rebuild.git, stateDirectory)
  const sourcesFor = async (due: Due | undefined, signal: AbortSignal) =>
    source ? await atCommit(configuration, source, due, signal) : here(configuration)
  const references = async (signal: AbortSignal) => {
    await using sources = await sourcesFor(undefined, signal)
    return watchedReferences(sources.configuration, await containerfileOf(sources.configuration))
  }
  const { watcher: registry, ...rest } = surroundings
  return {
    rules: [
      ...(cron === undefined ? [] : [cronRule(cron, timezone)]),
      ...(inactivityMs === undefined ? [] : [inactivityRule(inactivityMs)]),
      ...(watch.includes('containerfile') && source ? [containerfileRule(configuration, source)] : []),
      ...(watch.includes('base') ? [baseRule({ ...rest, everyMs, references, registry })] : []),
    ],
    sourcesFor,
  }
}

async function atCommit(
  configuration: Configuration,
  source: GitSource,
  due: Due | undefined,
  signal: AbortSignal,
): Promise<CheckedOut> {
  const commit = (due && commitOf(due, source)) ?? (await source.fetch(signal))
  return await checkedOut(configuration, source, commit, signal)
}

function here(configuration: Configuration): CheckedOut {
  return { configuration, [Symbol.asyncDispose]: () => Promise.resolve() }
}

async function containerfileOf({ image }: Configuration): Promise<string | undefined> {
  return image.source.kind === 'ref' ? undefined : await readFile(image.source.containerfile, 'utf8')
}
