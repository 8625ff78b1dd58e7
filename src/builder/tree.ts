import { execa } from 'execa'
import type { Options } from 'execa'
import { FactoryError } from '#src/errors.ts'
import type { OpenSsh } from './openssh.ts'
import { bash } from './shell.ts'
import type { Shell } from './shell.ts'
import { lastWords } from './text.ts'

/** Argument: directory. Unpacks beside it and takes its place only when all has arrived. */
const receiveScript = String.raw`
set -euo pipefail
umask 022
partial=$1.partial
rm -rf -- "$partial"
mkdir -p -- "$partial"
tar -x --no-same-owner --same-permissions -f - -C "$partial"
rm -rf -- "$1"
mv -T -- "$partial" "$1"
`

const maxAttempts = 4
const limitMs = 60 * 60_000

/**
 * Sends the listed relative paths of a local directory as the new content of a directory on the builder. Throws
 * `context-changed` when a file changes or goes while it is read, `tree-not-sent` when the connection keeps breaking.
 */
export async function sendTree(
  shell: Shell,
  ssh: OpenSsh,
  localDirectory: string,
  paths: readonly string[],
  remoteDirectory: string,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const failure = await sendOnce(shell, ssh, localDirectory, paths, remoteDirectory)
    if (failure === undefined) return
    if (tries === maxAttempts) {
      throw new FactoryError({
        code: 'tree-not-sent',
        message: `cannot send ${localDirectory} to builder ${shell.ref.machine} (${tries} attempts): ${failure}`,
        hint: 'Look whether the builder can still be reached and has space left.',
        class: /no space left/i.test(failure) ? 'disk-full' : 'infra',
      })
    }
    await shell.ctx.sleep(500 * tries)
    await shell.run(['true'], { what: 'a check of the connection' })
  }
}

/** Says why it did not work, or nothing; only what is wrong on this side is thrown, for it stays wrong. */
async function sendOnce(
  shell: Shell,
  ssh: OpenSsh,
  localDirectory: string,
  paths: readonly string[],
  remoteDirectory: string,
): Promise<string | undefined> {
  const common: Options = {
    cancelSignal: shell.ctx.signal,
    timeout: limitMs,
    reject: false,
    maxBuffer: 1_000_000,
  }
  const pack = execa('tar', packArguments(localDirectory), {
    ...common,
    input: paths.map((path) => `${path}\0`).join(''),
    buffer: { stdout: false },
    env: { LC_ALL: 'C.UTF-8' },
  })
  const [program, ...words] = ssh.command(bash(receiveScript, remoteDirectory))
  const receive = pack.pipe(program, words, common)
  const [packed, received] = await Promise.all([pack, receive])
  shell.ctx.signal.throwIfAborted()
  if (received.exitCode === 0 && packed.exitCode === 0) return undefined
  const cutOff = packed.exitCode === undefined || received.exitCode !== 0
  if (!cutOff) throw contextChanged(localDirectory, packed.stderr)
  return lastWords(String(received.stderr)) || `ssh ended with ${received.exitCode ?? received.signal}`
}

/** With --null, names that begin with a dash are names and not options. */
function packArguments(directory: string): string[] {
  const owner = ['--numeric-owner', '--owner=0', '--group=0']
  return ['-c', '--format=pax', ...owner, '--no-recursion', '-C', directory, '--null', '-T', '-']
}

function contextChanged(directory: string, stderr: unknown): FactoryError {
  return new FactoryError({
    code: 'context-changed',
    message: `${directory} changed while it was sent: ${lastWords(String(stderr))}`,
    hint: 'Let nothing write into the build context during a release, or list what changes in .containerignore.',
    class: 'user',
  })
}
