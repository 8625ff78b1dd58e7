import { ExecaError, execa } from 'execa'
import { FactoryError } from '#src/errors.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import { virshFailure } from './failures.ts'
import type { Hypervisor } from './hypervisor.ts'

export interface VirshOptions {
  signal: AbortSignal
  /** Milliseconds until the command is given up; default 60 000. */
  limitMs?: number
}

const maxOutputBytes = 32 * 1024 ** 2

/**
 * Runs one virsh command and returns what it printed. Failures come as `FactoryError`s that name the hypervisor;
 * nothing but XML documents and lists of names is ever read from the output.
 */
export async function virsh(
  hypervisor: Hypervisor,
  argv: readonly string[],
  options: VirshOptions,
): Promise<string> {
  const call = async (signal: AbortSignal) => {
    const { stdout } = await execa('virsh', ['-q', '-c', hypervisor.connection, ...argv], {
      env: { LC_ALL: 'C' },
      stdin: 'ignore',
      cancelSignal: signal,
      maxBuffer: maxOutputBytes,
      stripFinalNewline: false,
    })
    return stdout
  }
  try {
    const what = `virsh ${argv[0]} on ${hypervisor.uri}`
    return await withTimeLimit(what, options.limitMs ?? 60_000, options.signal, call)
  } catch (error) {
    if (error instanceof FactoryError || options.signal.aborted) throw error
    if (error instanceof ExecaError) throw virshFailure(hypervisor, argv, error)
    throw error
  }
}

/** Whether the failure says that the domain, volume or pool is not there: for many callers that is an answer. */
export function isNotFound(error: unknown): boolean {
  return error instanceof FactoryError && error.code === 'libvirt-not-found'
}

/** Runs a virsh command whose object may be missing: then the answer is undefined. */
export async function virshIfThere(
  hypervisor: Hypervisor,
  argv: readonly string[],
  options: VirshOptions,
): Promise<string | undefined> {
  try {
    return await virsh(hypervisor, argv, options)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}
