import { constants } from 'node:os'
import type { Client, ClientChannel } from 'ssh2'
import { FactoryError } from '#src/errors.ts'
import { quoteCommand } from './quote.ts'

export interface RunOptions {
  /** For messages: what runs and where. */
  what: string
  signal: AbortSignal
  /** Milliseconds after which the builder itself ends the command, whether we are still there or not. */
  limitMs: number
  stdin?: string | Uint8Array
  /** Takes standard output as it comes, with backpressure, instead of collecting it. */
  onStdout?: (chunk: Buffer) => void | Promise<void>
}

export interface RunResult {
  stdout: Buffer
  stderr: string
  exitCode: number
}

/** Output beyond this is no answer to a question; long output is a job's. */
const maxOutputBytes = 8 * 1024 * 1024

/**
 * Runs one command over a connection and waits for its exit code. Throws `connection-lost` (class infra) when the
 * connection ends first: then nobody knows whether the command ran.
 */
export async function runCommand(
  client: Client,
  argv: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  options.signal.throwIfAborted()
  const seconds = Math.ceil(options.limitMs / 1000) + 5
  const command = quoteCommand(['timeout', '--kill-after=5', String(seconds), ...argv])
  const channel = await openChannel(client, command, options)
  const done = Promise.withResolvers<number | undefined>()
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  let outputBytes = 0
  let handed: Promise<void> = Promise.resolve()

  const keep = (into: Buffer[]) => (chunk: Buffer) => {
    outputBytes += chunk.length
    if (outputBytes > maxOutputBytes) return done.reject(tooMuchOutput(options.what))
    into.push(chunk)
  }
  const hand = (take: NonNullable<RunOptions['onStdout']>) => (chunk: Buffer) => {
    channel.pause()
    handed = Promise.try(take, chunk).then(() => void channel.resume())
    handed.catch(done.reject)
  }
  const stop = () => done.reject(options.signal.reason)
  let exitCode: number | undefined
  channel.on(
    'exit',
    (code: number | null, signalName?: string) => (exitCode = code ?? signalCode(signalName)),
  )
  channel.on('close', () => done.resolve(exitCode))
  channel.on('error', () => {})
  channel.on('data', options.onStdout ? hand(options.onStdout) : keep(stdout))
  channel.stderr.on('data', keep(stderr))
  options.signal.addEventListener('abort', stop, { once: true })
  try {
    channel.end(options.stdin ?? '')
    const code = await done.promise
    await handed
    if (code === undefined) throw connectionLost(options.what)
    return { stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString(), exitCode: code }
  } finally {
    options.signal.removeEventListener('abort', stop)
    channel.destroy()
  }
}

/** Whether a failure means that the connection broke under a command, and not that the command failed. */
export function isConnectionLost(error: unknown): boolean {
  return error instanceof FactoryError && error.code === 'connection-lost'
}

function openChannel(client: Client, command: string, options: RunOptions): Promise<ClientChannel> {
  const { promise, resolve, reject } = Promise.withResolvers<ClientChannel>()
  const stop = () => reject(options.signal.reason)
  const lost = () => reject(connectionLost(options.what))
  options.signal.addEventListener('abort', stop, { once: true })
  client.once('close', lost)
  try {
    client.exec(command, (error, channel) => {
      if (error) reject(connectionLost(options.what, error))
      else resolve(channel)
    })
  } catch (error) {
    reject(connectionLost(options.what, error))
  }
  return promise.finally(() => {
    options.signal.removeEventListener('abort', stop)
    client.off('close', lost)
  })
}

/** As shells do it: 128 and the number of the signal. */
function signalCode(name: string | undefined): number {
  return 128 + (constants.signals[name as NodeJS.Signals] ?? 0)
}

function connectionLost(what: string, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'connection-lost',
    message: `the connection broke during ${what}`,
    hint: 'Nobody knows whether the command ran; release again: the architectures that are done are kept.',
    class: 'infra',
    cause,
  })
}

function tooMuchOutput(what: string): FactoryError {
  return new FactoryError({
    code: 'remote-output-too-large',
    message: `${what} wrote more than ${maxOutputBytes / 1024 / 1024} MiB of output`,
    hint: 'Something long or broken answers on the builder; look at it with: factory ssh ARCH',
    class: 'infra',
  })
}
