import { realpath } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve } from 'node:path'
import type { Configuration } from '#src/config/types.ts'
import { FactoryError } from '#src/errors.ts'
import type { GitSource } from './git-source.ts'
import type { Due } from './types.ts'

/** The configuration with the sources of a commit in place of those beside the file, until it is disposed of. */
export interface CheckedOut extends AsyncDisposable {
  readonly configuration: Configuration
}

/**
 * Checks a commit out and points Containerfile, context and config.toml at it; clouds, secrets and credentials stay those
 * of this machine. Throws `sources-outside` when the commit leads out of its own tree, and `containerfile-missing`.
 */
export async function checkedOut(
  configuration: Configuration,
  source: Pick<GitSource, 'checkout' | 'remote'>,
  commit: string,
  signal: AbortSignal,
): Promise<CheckedOut> {
  const checkout = await source.checkout(commit, signal)
  try {
    const changed = configurationOf(configuration, {
      commit,
      remote: source.remote,
      root: checkout.directory,
    })
    await staysInside(changed, checkout.directory)
    return { configuration: changed, [Symbol.asyncDispose]: () => checkout[Symbol.asyncDispose]() }
  } catch (error) {
    await checkout[Symbol.asyncDispose]()
    throw error
  }
}

/** What the release of a tick is made from: its commit, else the newest; the files here where there is no `rebuild.git`. */
export async function sourcesFor(
  due: Due | undefined,
  configuration: Configuration,
  source: GitSource | undefined,
  signal: AbortSignal,
): Promise<CheckedOut> {
  if (source === undefined) return { configuration, [Symbol.asyncDispose]: async () => undefined }
  const commit = (due && commitOf(due, source)) ?? (await source.fetch(signal))
  return await checkedOut(configuration, source, commit, signal)
}

/** The commit that a tick stands for; undefined where it is not about one: then the newest is meant. */
export function commitOf(due: Due, source: Pick<GitSource, 'name'>): string | undefined {
  return due.seen?.find((one) => one.source === source.name)?.value
}

/** The same configuration over the tree of a commit, which lies at `root`. */
export function configurationOf(
  configuration: Configuration,
  { commit, remote, root }: { commit: string; remote: string; root: string },
): Configuration {
  const { directory, image, disk, rebuild } = configuration
  const sources = { commit, remote, directory: join(root, rebuild.git?.directory ?? '.') }
  const there = (path: string) => resolve(sources.directory, relative(directory, path))
  const { source } = image
  const changed = { ...configuration, sources }
  // A file of this machine, by its absolute path, stays one.
  const isTheirs = disk.config !== undefined && isInside(root, there(disk.config))
  return {
    ...changed,
    ...(isTheirs ? { disk: { ...disk, config: there(disk.config as string) } } : {}),
    ...(source.kind === 'ref'
      ? {}
      : {
          image: {
            ...image,
            source: { ...source, containerfile: there(source.containerfile), context: there(source.context) },
          },
        }),
  }
}

/** A link in the commit must not make us read, and send to a builder, what lies on this machine. */
async function staysInside(configuration: Configuration, root: string): Promise<void> {
  const { image, disk, sources } = configuration
  const named = image.source.kind === 'ref' ? [] : [image.source.containerfile, image.source.context]
  const all = disk.config !== undefined && isInside(root, disk.config) ? [...named, disk.config] : named
  const realRoot = await realpath(root)
  for (const path of all) {
    const shown = `${relative(root, path) || '.'} of commit ${sources?.commit.slice(0, 12)}`
    const real = await realpath(path).catch((cause: unknown) => {
      throw notInCommit(shown, sources?.remote ?? '', cause)
    })
    if (!isInside(realRoot, real)) throw leadsOutside(shown, sources?.remote ?? '')
  }
}

function isInside(root: string, path: string): boolean {
  const inside = relative(root, path)
  return inside !== '..' && !inside.startsWith('../') && !isAbsolute(inside)
}

function notInCommit(shown: string, remote: string, cause: unknown): FactoryError {
  return new FactoryError({
    code: 'containerfile-missing',
    class: 'user',
    message: `there is no ${shown} in ${remote}`,
    hint: 'Commit it, or correct rebuild.git.directory, image.containerfile, image.context or disk.config.',
    cause,
  })
}

function leadsOutside(shown: string, remote: string): FactoryError {
  return new FactoryError({
    code: 'sources-outside',
    class: 'user',
    message: `${shown} in ${remote} is a link that leads out of the repository`,
    hint: 'Commit the file itself.',
  })
}
