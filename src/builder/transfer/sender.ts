import { execa } from 'execa'
import { FactoryError } from '#src/errors.ts'
import type { Cipher, OpenSsh } from '../openssh.ts'
import { bash } from '../shell.ts'
import { lastWords } from '../text.ts'

const digestPattern = /^factory-digest ([0-9a-f]{64})$/m

export type Sender = ReturnType<typeof startSender>

/** Starts a sending script on the builder, its standard output a pipe or one of our own files. */
export function startSender(
  { ssh, cipher }: { ssh: OpenSsh; cipher: Cipher },
  script: string,
  words: readonly string[],
  stdout: 'pipe' | number,
  signal: AbortSignal,
) {
  const [program, ...rest] = ssh.command(bash(script, ...words), cipher)
  return execa(program, rest, {
    stdin: 'ignore',
    // The types know the descriptors 3 to 9 only.
    stdout: stdout as 'pipe' | 3,
    buffer: { stdout: false },
    reject: false,
    maxBuffer: 64 * 1024,
    cancelSignal: signal,
    forceKillAfterDelay: 2_000,
  })
}

/** Waits for the sender to end and gives the digest that the builder made of what it sent. */
export async function senderDigest(sender: Sender, what: string, signal: AbortSignal): Promise<string> {
  const digest = digestPattern.exec(await senderWords(sender, what, signal))?.[1]
  if (digest === undefined) throw interrupted(what, 'the builder did not say the digest of what it sent')
  return digest
}

/**
 * Waits for the sender to end and gives what it wrote to standard error. Throws `transfer-interrupted` when it did not
 * end well; `cause` is what went wrong on this side, if anything did.
 */
export async function senderWords(
  sender: Sender,
  what: string,
  signal: AbortSignal,
  cause?: unknown,
): Promise<string> {
  const ended = await sender
  signal.throwIfAborted()
  const stderr = String(ended.stderr ?? '')
  if (ended.exitCode === 0) return stderr
  const words =
    lastWords(stderr) || ended.originalMessage || `ssh ended with ${ended.exitCode ?? ended.signal}`
  throw interrupted(what, words, cause, ended.exitCode)
}

function interrupted(what: string, words: string, cause?: unknown, exitCode?: number): FactoryError {
  return new FactoryError({
    code: 'transfer-interrupted',
    message: `the transfer of ${what} was interrupted: ${words}`,
    hint: 'Look at the network between here and the builder; release again: the architectures that are done are kept.',
    class: 'infra',
    cause,
    context: { exitCode },
  })
}

/** The failure when what came is not what was sent. */
export function corrupt(what: string, why: string, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'artifact-corrupt',
    message: `${what} did not arrive as it was sent: ${why}`,
    hint: 'When this comes back, a disk or the memory of the builder or of this machine is broken.',
    class: 'infra',
    cause,
  })
}
