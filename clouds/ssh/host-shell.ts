import { readFile } from 'node:fs/promises'
import { makeLink } from '#src/builder/link.ts'
import { loginKeyProblem } from '#src/builder/login-key.ts'
import { type Shell, makeShell } from '#src/builder/shell.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { formatDuration } from '#src/units.ts'
import type { Host } from './hosts.ts'
import type { SshSettings } from './settings.ts'

/**
 * One visit to a host with the administrator's key, as root. The host must show its pinned key. Throws
 * `host-key-mismatch`, `host-unreachable`, `host-login-refused` (also without sudo) or `ssh-identity-unreadable`.
 */
export async function onHost<T>(
  settings: SshSettings,
  host: Host,
  ctx: Context,
  visit: (shell: Shell) => Promise<T>,
): Promise<T> {
  await assertIdentity(settings, host)
  const { connectLimitMs: limitMs, greetingLimitMs } = settings.pace
  const limits = {
    readyLimitMs: limitMs,
    reconnectLimitMs: limitMs,
    greetingLimitMs,
    refusalIsFinal: true,
  } as const
  await using link = makeLink(host.ref, host.login, ctx, limits)
  try {
    await link.client()
    return await visit(makeShell(host.ref, link, ctx))
  } catch (error) {
    ctx.signal.throwIfAborted()
    throw explained(settings, host, asFactoryError(error), limitMs)
  }
}

async function assertIdentity({ name }: SshSettings, { login }: Host): Promise<void> {
  const { privateKeyFile } = login
  const failed = (why: string, cause?: unknown) =>
    new FactoryError({
      code: 'ssh-identity-unreadable',
      message: `the key ${privateKeyFile}, to log in to the hosts of ${name} with, ${why}`,
      hint: `Correct clouds.${name}.identityFile, or make a key without a passphrase: ssh-keygen -t ed25519 -N '' -f ${privateKeyFile}`,
      class: 'user',
      cause,
    })
  const text = await readFile(privateKeyFile, 'utf8').catch((cause: unknown) => {
    throw failed('cannot be read', cause)
  })
  const problem = loginKeyProblem(text)
  if (problem !== undefined) throw failed(problem)
}

function explained(settings: SshSettings, host: Host, error: FactoryError, limitMs: number): FactoryError {
  switch (error.code) {
    case 'host-key-mismatch':
      return otherKey(settings, host, error)
    case 'builder-unreachable':
      return /authentication/i.test(error.message)
        ? loginRefused(settings, host, error)
        : unreachable(host, error, limitMs)
    case 'remote-command-failed':
      return /\bsudo: /.test(error.message) ? loginRefused(settings, host, error) : error
    default:
      return error
  }
}

/** It stands there already, so what answers instead of it is somebody's doing: nobody has sent anything to it. */
function otherKey({ name }: SshSettings, host: Host, cause: FactoryError): FactoryError {
  const { host: address, port } = host.ref.address
  return new FactoryError({
    code: 'host-key-mismatch',
    message: `what answers at ${address} port ${port} does not have the host key that clouds.${name}.hosts pins for ${host.name}; nothing was sent to it`,
    hint: 'Was the host installed anew? Read its key at its own console (cat /etc/ssh/ssh_host_ed25519_key.pub) and write it as hostKey. Otherwise somebody stands between.',
    class: 'infra',
    cause,
    context: cause.context,
  })
}

function unreachable(host: Host, cause: FactoryError, limitMs: number): FactoryError {
  const isUnknownName = /ENOTFOUND|EAI_AGAIN/.test(lastAttempt(cause))
  return new FactoryError({
    code: 'host-unreachable',
    message: `the host ${host.name} (${host.arch}) did not answer over SSH within ${formatDuration(limitMs)}: ${lastAttempt(cause)}`,
    hint: isUnknownName
      ? `This machine does not know the name (getent hosts ${host.ref.address.host}): correct the address of the host, or write it into /etc/hosts.`
      : 'Is it up, and does its sshd listen there? factory doctor looks again.',
    class: 'infra',
    cause,
  })
}

function loginRefused({ name }: SshSettings, host: Host, cause: FactoryError): FactoryError {
  const { user } = host.ref
  return new FactoryError({
    code: 'host-login-refused',
    message: `the host ${host.name} does not let ${user} work with the key ${host.login.privateKeyFile}: ${lastAttempt(cause)}`,
    hint: `Put the key's public half into ${user}'s authorized_keys there (ssh-copy-id)${user === 'root' ? '' : ', and let it use sudo without a password'}; user and identityFile stand under clouds.${name}.`,
    class: 'permission',
    cause,
  })
}

/** What the link says beside it is true of booting machines. */
function lastAttempt({ message }: FactoryError): string {
  return /last attempt: (.*)$/s.exec(message)?.[1] ?? message
}
