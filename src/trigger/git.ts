import { execa } from 'execa'
import { FactoryError } from '#src/errors.ts'

export interface GitCall {
  /** What is done, for messages: `git fetch of https://example.org/images`. */
  what: string
  argv: readonly string[]
  signal: AbortSignal
  /** Milliseconds. */
  limitMs: number
  environment?: Readonly<Record<string, string>>
}

/** Nothing of a repository is run, nothing asks a person, and no other repository is drawn in. */
const settings = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['submodule.recurse', 'false'],
  ['http.lowSpeedLimit', '1000'],
  ['http.lowSpeedTime', '60'],
  ['gc.autoDetach', 'false'],
].flatMap(([name, value]) => ['-c', `${name}=${value}`])

/** What of the caller's environment is for reaching a repository; the rest of `GIT_*` would lead to another one. */
const kept = /^GIT_(SSH|SSL|PROXY|HTTP|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)$)/

const killAfterMs = 5_000
const maxOutputBytes = 16 * 1024 * 1024

/**
 * Runs git without a shell and without a terminal, and returns what it printed. Its whole process group ends at the limit.
 * Throws `git-missing` or `git-failed`; what git says is told without credentials and control characters.
 */
export async function git({ what, argv, signal, limitMs, environment = {} }: GitCall): Promise<string> {
  signal.throwIfAborted()
  const child = execa('git', [...settings, ...argv], {
    env: { ...inherited(process.env), ...quiet, ...environment },
    extendEnv: false,
    stdin: 'ignore',
    detached: true,
    reject: false,
    stripFinalNewline: false,
    maxBuffer: maxOutputBytes,
  })
  const deadline = AbortSignal.timeout(limitMs)
  const ends = AbortSignal.any([signal, deadline])
  let killing: NodeJS.Timeout | undefined
  const end = () => {
    signalGroup(child.pid, 'SIGTERM')
    killing = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), killAfterMs)
  }
  ends.addEventListener('abort', end, { once: true })
  const result = await child
  clearTimeout(killing)
  ends.removeEventListener('abort', end)
  signal.throwIfAborted()
  if (!result.failed) return result.stdout
  if (result.code === 'ENOENT') throw gitMissing(result)
  throw deadline.aborted
    ? gitFailed(what, `it took longer than ${limitMs / 1000} s`, 'timeout', result)
    : gitFailed(what, reasonIn(result.stderr) || (result.shortMessage ?? 'it says nothing'), 'infra', result)
}

/** An address as it may be shown. */
export function withoutCredentials(text: string): string {
  return text.replaceAll(/(\w:\/\/)[^/\s@]*@/g, '$1')
}

const quiet = {
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '',
  SSH_ASKPASS: '',
  SSH_ASKPASS_REQUIRE: 'never',
  GIT_OPTIONAL_LOCKS: '0',
  LC_ALL: 'C',
}

function inherited(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !name.startsWith('GIT_') || kept.test(name)),
  )
}

function signalGroup(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, name)
  } catch {
    // It has ended by itself.
  }
}

/** The line that says why: git's own, or the last one. */
function reasonIn(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '')
  const line = lines.find((text) => /^(fatal|error): /.test(text)) ?? lines.at(-1) ?? ''
  return withoutCredentials(line.replace(/^(fatal|error): /, ''))
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ')
    .slice(0, 300)
}

function gitFailed(what: string, why: string, kind: 'infra' | 'timeout', cause: unknown): FactoryError {
  return new FactoryError({
    code: 'git-failed',
    class: kind,
    message: `${what} failed: ${why}`,
    hint: 'It is tried again by itself. Try what git does, as the user of the factory: git ls-remote URL',
    cause,
  })
}

function gitMissing(cause: unknown): FactoryError {
  return new FactoryError({
    code: 'git-missing',
    class: 'user',
    message: 'rebuild.git needs the program git, which is not here',
    hint: 'Install it: apt-get install git, dnf install git',
    cause,
  })
}
