import pLimit from 'p-limit'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import { asRoot } from './as-root.ts'
import { isConnectionLost, runCommand } from './exec.ts'
import type { RunResult } from './exec.ts'
import type { Link } from './link.ts'
import { lastWords, printable } from './text.ts'
import type { BuilderRef, ExecOptions } from './types.ts'

export interface ShellOptions extends ExecOptions {
  /** For messages: what the command is for; default the command itself. */
  what?: string
  onStdout?: (chunk: Buffer) => void | Promise<void>
}

/** Runs commands on a builder as root; what the parts of a session share. */
export interface Shell {
  readonly ref: BuilderRef
  readonly ctx: Context
  run(argv: readonly string[], options?: ShellOptions): Promise<RunResult>
}

/** OpenSSH allows ten channels a connection by default (MaxSessions). */
const maxChannels = 8
/** A connection that breaks this often under one command is not going to get better. */
const maxAttempts = 10

/** The argv that runs a bash program with arguments; the arguments never become part of the program. */
export function bash(script: string, ...words: readonly string[]): string[] {
  return ['bash', '-c', script, 'factory', ...words]
}

/** Commands over a link, each with a deadline, run again when the connection broke under them. */
export function makeShell(ref: BuilderRef, link: Link, ctx: Context): Shell {
  const slots = pLimit(maxChannels)

  async function attempt(argv: readonly string[], options: ShellOptions, what: string): Promise<RunResult> {
    const limitMs = options.limitMs ?? 60_000
    const client = await link.client()
    return withTimeLimit(what, limitMs, ctx.signal, (signal) =>
      runCommand(client, asRoot(ref, argv), {
        what,
        signal,
        limitMs,
        ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
        ...(options.onStdout === undefined ? {} : { onStdout: options.onStdout }),
      }),
    )
  }

  async function run(argv: readonly string[], options: ShellOptions = {}): Promise<RunResult> {
    const what = `${options.what ?? printable(argv.join(' ')).slice(0, 120)} on builder ${ref.machine}`
    for (let tries = 1; ; tries += 1) {
      try {
        const result = await attempt(argv, options, what)
        checkExit(what, result, options.accept ?? [0])
        return result
      } catch (error) {
        if (!isConnectionLost(error) || options.once || tries === maxAttempts) throw error
        await ctx.sleep(100)
      }
    }
  }

  return { ref, ctx, run: (argv, options) => slots(() => run(argv, options)) }
}

function checkExit(what: string, result: RunResult, accept: readonly number[] | 'any'): void {
  if (accept === 'any' || accept.includes(result.exitCode)) return
  const words = lastWords(result.stderr)
  const full = /no space left on device/i.test(result.stderr)
  throw new FactoryError({
    code: 'remote-command-failed',
    message: `${what} ended with exit code ${result.exitCode}${words ? `: ${words}` : ''}`,
    hint: full ? 'Give the builder a larger disk.' : 'Look at the builder with: factory ssh ARCH',
    class: full ? 'disk-full' : 'infra',
    context: { exitCode: result.exitCode },
  })
}
