import { readFile } from 'node:fs/promises'
import { FactoryError } from '#src/errors.ts'
import { dial } from './dial.ts'
import { isReplaced, markReplaced, nextHostKey } from './host-keys.ts'
import { writeRemoteFile } from './remote-files.ts'
import { type Shell, bash } from './shell.ts'
import type { BuilderLogin } from './types.ts'

export const usualHostKeyFile = '/etc/ssh/ssh_host_ed25519_key'

const showLimitMs = 20_000

/**
 * Makes the server read its keys anew. Without systemd the listener is the uppermost sshd above this very command; with
 * systemd's sockets there is none, and every connection reads the keys by itself.
 */
const reloadScript = String.raw`
set -u
if command -v restorecon >/dev/null; then restorecon "$1" "$1.pub"; fi
if [ -d /run/systemd/system ]; then
  for unit in sshd.service ssh.service; do
    if systemctl is-active -q "$unit"; then exec systemctl reload "$unit"; fi
  done
  exit 0
fi
listener= process=$$
while [ "$process" -gt 1 ]; do
  [ "$(cat "/proc/$process/comm")" = sshd ] && listener=$process
  process=$(sed 's/.*) //' "/proc/$process/stat" | cut -d ' ' -f 2)
done
[ -z "$listener" ] || kill -HUP "$listener"
`

/**
 * Gives a builder a host key that has never been anywhere but here and there, in place of one that came to it by a way
 * that others can read. Safe to call again and to be killed anywhere: until the machine has shown the new key, the old one
 * counts as well. The session that it is done over goes on.
 */
export async function replaceHostKey(shell: Shell, login: BuilderLogin, hostKeyFile: string): Promise<void> {
  const { ref, ctx } = shell
  if (!ref.hostKeyExposed || (await isReplaced(login))) return
  ctx.emit({ message: `giving ${ref.machine} a host key that nobody else has seen` })
  const { publicKey, privateKeyFile } = await nextHostKey(login)
  await writeRemoteFile(shell, `${hostKeyFile}.pub`, `${publicKey}\n`, 0o644)
  await writeRemoteFile(shell, hostKeyFile, await readFile(privateKeyFile), 0o600)
  await shell.run(bash(reloadScript, hostKeyFile), { what: 'making sshd read its host key' })
  await showing(shell, login, publicKey)
  await markReplaced(login)
}

/** Until the machine shows the new key to a new connection; while sshd starts anew it may refuse some. */
async function showing({ ref, ctx }: Shell, login: BuilderLogin, publicKey: string): Promise<void> {
  const deadline = AbortSignal.timeout(showLimitMs)
  for (let pauseMs = 100; ; pauseMs *= 2) {
    try {
      const signal = AbortSignal.any([ctx.signal, deadline])
      const client = await dial(ref, login, signal, { accepted: [publicKey] })
      client.destroy()
      return
    } catch (cause) {
      ctx.signal.throwIfAborted()
      if (deadline.aborted) throw notReplaced(ref.machine, cause)
    }
    await ctx.sleep(pauseMs)
  }
}

function notReplaced(machine: string, cause: unknown): FactoryError {
  return new FactoryError({
    code: 'host-key-not-replaced',
    message: `builder ${machine} does not show the host key that it was given at the first login`,
    hint: `Its sshd must read ${usualHostKeyFile} and be a systemd service named sshd or ssh. Nothing of the build was sent.`,
    class: 'infra',
    cause,
  })
}
