import type { Client } from 'ssh2'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { formatDuration } from '#src/units.ts'
import { dial } from './dial.ts'
import type { BuilderLogin, BuilderRef } from './types.ts'

/** The connection of a session: there, or being made again. */
export interface Link extends AsyncDisposable {
  /** The connected client; connects again when it is gone. Throws `builder-unreachable` or `host-key-mismatch`. */
  client(): Promise<Client>
}

export interface LinkLimits {
  /** Milliseconds that a booting machine has until it must answer for the first time. */
  readyLimitMs: number
  /** Milliseconds that a machine which has answered before may be gone. */
  reconnectLimitMs: number
  /** Milliseconds that one attempt waits for the server's first words; without it as long as a booting machine deserves. */
  greetingLimitMs?: number
  /** The machine is not booting: a key that it does not take now is not taken later, and asking again looks like an attack. */
  refusalIsFinal?: true
}

const longestPauseMs = 5_000

/** Keeps one connection to a builder, dialling with growing pauses whenever somebody needs it and it is not there. */
export function makeLink(ref: BuilderRef, login: BuilderLogin, ctx: Context, limits: LinkLimits): Link {
  const closed = new AbortController()
  const signal = AbortSignal.any([ctx.signal, closed.signal])
  let current: Client | undefined
  let connecting: Promise<Client> | undefined
  let answeredBefore = false

  async function connect(): Promise<Client> {
    const client = await dialUntil(ref, login, ctx, signal, limits, answeredBefore)
    // By itself ssh2 only ends its side after an error and waits, on a dead link for ever, for the other one.
    client.on('error', () => client.destroy())
    client.once('close', () => {
      if (current === client) current = undefined
    })
    answeredBefore = true
    current = client
    return client
  }

  return {
    async client() {
      signal.throwIfAborted()
      if (current) return current
      connecting ??= connect().finally(() => (connecting = undefined))
      return connecting
    },
    async [Symbol.asyncDispose]() {
      closed.abort(new Error('the session was closed'))
      await connecting?.catch(() => {})
      // Not end(): after that, destroy() does nothing, and on a dead link the socket keeps the process alive.
      current?.destroy()
    },
  }
}

async function dialUntil(
  ref: BuilderRef,
  login: BuilderLogin,
  ctx: Context,
  signal: AbortSignal,
  limits: LinkLimits,
  answeredBefore: boolean,
): Promise<Client> {
  const { greetingLimitMs, refusalIsFinal } = limits
  const limitMs = answeredBefore ? limits.reconnectLimitMs : limits.readyLimitMs
  const startedAt = ctx.now()
  let lastFailure: unknown
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
  for (let pauseMs = 250; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await dial(ref, login, deadline, { greetingLimitMs })
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof FactoryError) throw error
      if (isHopeless(error)) throw refused(ref, error)
      if (!deadline.aborted || lastFailure === undefined) lastFailure = error
      const waitedMs = ctx.now() - startedAt
      const final = refusalIsFinal && isLoginRefused(error)
      if (final || deadline.aborted || waitedMs + pauseMs >= limitMs) {
        throw unreachable(ref, limitMs, answeredBefore, lastFailure)
      }
    }
    await ctx.sleep(pauseMs)
  }
}

/** A server that does not speak our algorithms will not learn them while we wait. */
function isHopeless(error: unknown): boolean {
  return error instanceof Error && /no matching/i.test(error.message)
}

function isLoginRefused(error: unknown): boolean {
  return /authentication/i.test(reason(error))
}

function refused(ref: BuilderRef, cause: unknown): FactoryError {
  return new FactoryError({
    code: 'builder-ssh-too-old',
    message: `the SSH server of builder ${ref.machine} offers none of the algorithms that the factory accepts: ${reason(cause)}`,
    hint: 'Its sshd must offer curve25519-sha256, an ed25519 host key and aes128-gcm@openssh.com (OpenSSH 6.5 or newer).',
    class: 'user',
    cause,
  })
}

function unreachable(
  ref: BuilderRef,
  limitMs: number,
  answeredBefore: boolean,
  cause: unknown,
): FactoryError {
  const where = `builder ${ref.machine} (${ref.arch}) at ${ref.address.host} port ${ref.address.port}`
  const what = answeredBefore ? 'was lost and did not come back within' : 'did not answer over SSH within'
  return new FactoryError({
    code: 'builder-unreachable',
    message: `${where} ${what} ${formatDuration(limitMs)}; last attempt: ${reason(cause)}`,
    hint: isLoginRefused(cause)
      ? 'It answers but does not know our key: its first-boot configuration (cloud-init) did not run to the end; look at its console.'
      : 'Its last console lines are in the give-back log (factory logs ARCH --step give-back); when it was only the network, release again: the architectures that are done are kept.',
    class: 'infra',
    cause,
    context: { machine: ref.machine, arch: ref.arch, limitMs },
  })
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0].message
  return error.message || String((error as NodeJS.ErrnoException).code)
}
