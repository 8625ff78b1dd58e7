import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import pLimit from 'p-limit'
import type { GitSource as GitSettings } from '#src/config/types.ts'
import { FactoryError } from '#src/errors.ts'
import { type Checkout, checkoutsIn } from './checkout.ts'
import { git, withoutCredentials } from './git.ts'

/** The repository that releases are built from. One call at a time touches what lies here. */
export interface GitSource {
  /** Address and reference, as the journal and people know them; without credentials. */
  readonly name: string
  readonly remote: string
  /** The commit that the reference stands for now; only asks. */
  tip(signal: AbortSignal): Promise<string>
  /** Brings what the reference stands for; returns the commit, which may be a later one by now. */
  fetch(signal: AbortSignal): Promise<string>
  /** The paths that differ between two commits; undefined where one of them is not here. */
  changes(before: string, after: string, signal: AbortSignal): Promise<string[] | undefined>
  /** The tree of a commit, complete, until it is disposed of. */
  checkout(commit: string, signal: AbortSignal): Promise<Checkout>
}

const askLimitMs = 60_000
const fetchLimitMs = 600_000
const watched = 'refs/watched/tip'
const commitRule = /^([0-9a-f]{40}|[0-9a-f]{64})$/

/**
 * Opens the mirror of a repository below the state directory; nothing is asked or written yet. Credentials are git's own
 * affair. Fails with `git-failed`, `git-missing`, `git-ref-missing` and `git-commit-missing`; a mirror that turns out broken is made anew.
 */
export function openGitSource(settings: Pick<GitSettings, 'url' | 'ref'>, stateDirectory: string): GitSource {
  const { url, ref } = settings
  const remote = withoutCredentials(url)
  const directory = join(stateDirectory, 'sources')
  const mirror = join(directory, `${createHash('sha256').update(url).digest('hex').slice(0, 16)}.git`)
  const alone = pLimit(1)
  const environment = { GIT_ALLOW_PROTOCOL: allowedProtocols(url) }
  const here = (what: string, signal: AbortSignal, ...argv: string[]) =>
    git({ what: `${what} of ${remote}`, argv: [`--git-dir=${mirror}`, ...argv], signal, limitMs: askLimitMs })

  async function tipOf(signal: AbortSignal): Promise<{ commit: string; name: string }> {
    const names = ref.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`]
    const patterns = names.flatMap((name) => [name, `${name}^{}`])
    const argv = ['ls-remote', '--end-of-options', url, ...patterns]
    const answer = await git({
      what: `git ls-remote of ${remote}`,
      argv,
      signal,
      limitMs: askLimitMs,
      environment,
    })
    const found = new Map(answer.split('\n').map((line) => line.split('\t').toReversed() as [string, string]))
    for (const name of names) {
      const commit = found.get(`${name}^{}`) ?? found.get(name)
      if (commit !== undefined && commitRule.test(commit)) return { commit, name }
    }
    throw refMissing(remote, ref)
  }

  async function bring(signal: AbortSignal): Promise<string> {
    const { commit, name } = await tipOf(signal)
    const once = async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const format = commit.length === 64 ? 'sha256' : 'sha1'
      const init = ['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, '--', mirror]
      await git({ what: `git init of ${mirror}`, argv: init, signal, limitMs: askLimitMs })
      const options = ['--no-tags', '--force', '--quiet', '--no-recurse-submodules', '--no-write-fetch-head']
      const argv = [
        `--git-dir=${mirror}`,
        'fetch',
        ...options,
        '--end-of-options',
        url,
        `+${name}:${watched}`,
      ]
      await git({ what: `git fetch of ${remote}`, argv, signal, limitMs: fetchLimitMs, environment })
      return (await here('git rev-parse', signal, 'rev-parse', '--verify', `${watched}^{commit}`)).trim()
    }
    try {
      return await once()
    } catch (error) {
      signal.throwIfAborted()
      // The remote has answered a moment ago: what is here may be what a power cut left.
      if (!(error instanceof FactoryError) || error.class === 'timeout') throw error
      await rm(mirror, { recursive: true, force: true })
      return await once()
    }
  }

  const isHere = async (commit: string, signal: AbortSignal) =>
    commitRule.test(commit) &&
    (await here('git cat-file', signal, 'cat-file', '-e', `${commit}^{tree}`).then(
      () => true,
      () => false,
    ))

  const checkouts = checkoutsIn(join(directory, 'checkouts'), async (commit, target, signal) => {
    if (!(await isHere(commit, signal))) await bring(signal)
    if (!(await isHere(commit, signal))) throw commitMissing(remote, commit)
    const index = { GIT_INDEX_FILE: join(target, '..', 'index') }
    const base = { signal, limitMs: fetchLimitMs, environment: { ...environment, ...index } }
    const tree = [`--git-dir=${mirror}`, `--work-tree=${target}`, '-c', 'core.bare=false']
    try {
      const what = `git checkout of ${commit} of ${remote}`
      await git({ ...base, what, argv: [...tree, 'read-tree', `${commit}^{tree}`] })
      await git({ ...base, what, argv: [...tree, 'checkout-index', '--all', '--force', '--quiet'] })
    } catch (error) {
      if (!signal.aborted) await rm(mirror, { recursive: true, force: true })
      throw error
    }
  })

  return {
    name: `${remote} ${ref}`,
    remote,
    tip: async (signal) => (await tipOf(signal)).commit,
    fetch: (signal) => alone(() => bring(signal)),
    changes: (before, after, signal) =>
      alone(async () => {
        if (!(await isHere(before, signal)) || !(await isHere(after, signal))) return undefined
        const diff = ['diff', '--name-only', '-z', '--no-renames', '--no-ext-diff', before, after, '--']
        return (await here('git diff', signal, ...diff)).split('\0').filter((path) => path !== '')
      }),
    checkout: (commit, signal) => alone(() => checkouts.open(commit, signal)),
  }
}

/** Also where a redirect or the user's own configuration leads elsewhere. */
function allowedProtocols(url: string): string {
  const scheme = /^([a-z]+):\/\//i.exec(url)?.[1]?.toLowerCase()
  if (scheme === undefined && !/^[^/]+:/.test(url)) return 'file'
  return [...new Set(['https', 'ssh', ...(scheme === undefined ? [] : [scheme])])].join(':')
}

function refMissing(remote: string, ref: string): FactoryError {
  return new FactoryError({
    code: 'git-ref-missing',
    class: 'user',
    message: `${remote} has no branch or tag "${ref}"`,
    hint: `Correct rebuild.git.ref; see what there is: git ls-remote ${remote}`,
  })
}

function commitMissing(remote: string, commit: string): FactoryError {
  return new FactoryError({
    code: 'git-commit-missing',
    class: 'user',
    message: `the commit ${commit} is no longer in ${remote}`,
    hint: 'Somebody took it back (git push --force); the one in its place is looked at by itself.',
  })
}
