import { execa } from 'execa'
import type { Context } from '#src/context.ts'

/** Where sources come from; told in labels and release.json, never part of a key. */
export interface GitFacts {
  commit: string
  /** Whether there are changes in the directory that no commit has. */
  dirty: boolean
  /** The address of `origin`, without user names and passwords. */
  remote?: string
}

const limitMs = 10_000

/** Looks whether the directory is in a git work tree; undefined when it is not, or git is not there. */
export async function gitFacts(directory: string, ctx: Context): Promise<GitFacts | undefined> {
  const commit = await git(directory, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'], ctx)
  if (commit === undefined) return undefined
  const status = await git(directory, ['status', '--porcelain', '--', '.'], ctx)
  const remote = await git(directory, ['config', '--get', 'remote.origin.url'], ctx)
  const facts = { commit, dirty: status !== '' }
  return remote === undefined || remote === '' ? facts : { ...facts, remote: withoutCredentials(remote) }
}

async function git(directory: string, command: readonly string[], ctx: Context): Promise<string | undefined> {
  const result = await execa('git', ['-C', directory, '-c', 'core.fsmonitor=false', ...command], {
    env: { GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' },
    stdin: 'ignore',
    timeout: limitMs,
    cancelSignal: ctx.signal,
    reject: false,
  })
  ctx.signal.throwIfAborted()
  return result.failed ? undefined : result.stdout.trim()
}

function withoutCredentials(remote: string): string {
  if (!URL.canParse(remote)) return remote
  const url = new URL(remote)
  url.username = ''
  url.password = ''
  return url.href
}
