import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect as connectSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { execa } from 'execa'
import { Client } from 'ssh2'
import type { Algorithms } from 'ssh2'
import { FactoryError } from '#src/errors.ts'
import { acceptedHostKeys } from './host-keys.ts'
import type { BuilderLogin, BuilderRef } from './types.ts'

/**
 * The server says its version before anything else. QEMU's port forward accepts connections for a guest that is not
 * there yet, so silence means "still booting" and need not be waited out as long as a slow handshake.
 */
const usualGreetingLimitMs = 5_000
const handshakeLimitMs = 30_000

/** Only what every OpenSSH since 6.5 has and nobody has broken; AES-GCM needs no MAC, the list must not be empty. */
const algorithms: Algorithms = {
  kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org'],
  serverHostKey: ['ssh-ed25519'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'],
  hmac: ['hmac-sha2-256-etm@openssh.com'],
  compress: ['none'],
}

export interface DialOptions {
  /** The host keys that count instead of the pinned one. */
  accepted?: readonly string[]
  /** Milliseconds until the server must have said its version, for machines that are known to be up. */
  greetingLimitMs?: number | undefined
}

/**
 * One attempt to log in to a builder with its pinned host key, or one of those in `accepted`. Throws `host-key-mismatch` when another machine answers
 * (never worth another attempt); every other failure is thrown as it is, for the caller to wait and try again.
 */
export async function dial(
  ref: BuilderRef,
  login: BuilderLogin,
  signal: AbortSignal,
  { accepted, greetingLimitMs = usualGreetingLimitMs }: DialOptions = {},
): Promise<Client> {
  const privateKey = await readFile(login.privateKeyFile)
  const pinned = accepted ?? (await acceptedHostKeys(ref, login))
  const socket = await openSocket(ref, signal, greetingLimitMs)
  const client = new Client()
  let offered: string | undefined
  const ready = Promise.withResolvers<void>()
  const stop = () => ready.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  client.on('error', (error) => ready.reject(error))
  client.on('close', () => ready.reject(new Error('the connection was closed during the handshake')))
  client.once('ready', () => ready.resolve())
  try {
    client.connect({
      sock: socket,
      username: ref.user,
      privateKey,
      algorithms,
      authHandler: ['publickey'],
      agentForward: false,
      readyTimeout: handshakeLimitMs,
      keepaliveInterval: 5_000,
      keepaliveCountMax: 3,
      hostVerifier: (key: Buffer) => {
        offered = `ssh-ed25519 ${key.toString('base64')}`
        return pinned.includes(offered)
      },
    })
    await ready.promise
    return client
  } catch (error) {
    client.destroy()
    socket.destroy()
    if (offered !== undefined && !pinned.includes(offered)) throw hostKeyMismatch(ref, pinned, offered, error)
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function openSocket(ref: BuilderRef, signal: AbortSignal, greetingLimitMs: number): Promise<Duplex> {
  signal.throwIfAborted()
  const socket = ref.address.proxyCommand
    ? openProxy(ref.address.proxyCommand)
    : connectSocket({ host: ref.address.host, port: ref.address.port, noDelay: true })
  const failed = Promise.withResolvers<never>()
  socket.on('error', (error) => failed.reject(error))
  failed.promise.catch(() => {})
  const either = AbortSignal.any([signal, AbortSignal.timeout(greetingLimitMs)])
  try {
    await Promise.race([once(socket, 'readable', { signal: either }), failed.promise])
    if (socket.readableLength === 0)
      throw new Error('the connection was closed before the server said anything')
    return socket
  } catch (error) {
    socket.destroy()
    signal.throwIfAborted()
    if (either.aborted)
      throw new Error(`no SSH server answered within ${greetingLimitMs / 1000} s`, { cause: error })
    throw error
  }
}

function openProxy(command: readonly string[]): Duplex {
  const [program = '', ...rest] = command
  const child = execa(program, rest, { buffer: false, stderr: 'ignore', reject: false, encoding: 'buffer' })
  const duplex = child.duplex()
  duplex.once('close', () => child.kill())
  return duplex
}

function hostKeyMismatch(
  ref: BuilderRef,
  pinned: readonly string[],
  offered: string,
  cause: unknown,
): FactoryError {
  return new FactoryError({
    code: 'host-key-mismatch',
    message:
      `the machine that answers at ${ref.address.host} port ${ref.address.port} is not builder ${ref.machine}: ` +
      'its SSH host key is not the one that the factory gave to that builder',
    hint: 'Nothing was sent to it. The address now belongs to another machine, or somebody stands between; give the builder back and release again.',
    class: 'infra',
    cause,
    context: { machine: ref.machine, offered, pinned: pinned.join(', ') },
  })
}
