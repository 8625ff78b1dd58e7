import { open, rename, rm, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import pLimit from 'p-limit'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { formatBytes, formatDuration } from '#src/units.ts'
import type { OpenSsh } from '../openssh.ts'
import type { Shell } from '../shell.ts'
import type { FetchedFile, FetchOptions } from '../types.ts'
import { chooseCipher } from './cipher.ts'
import { probeFile } from './probe.ts'
import { watchTransfer } from './progress.ts'
import { receivePacked } from './receive-packed.ts'
import { receivePlain } from './receive-plain.ts'

/** Each costs this process about 40 MiB while it runs; with three at once it stays under 256 MiB (measured). */
const slots = pLimit(3)
const defaultAttempts = 4
const defaultLimitMs = 2 * 60 * 60_000
/** Kept free on our own disk, for the journal and logs. */
const reserveBytes = 64 * 1024 * 1024
/** Failures that another attempt may cure; whatever else happens stays as it is. */
const passing = new Set(['transfer-interrupted', 'transfer-stalled', 'artifact-corrupt', 'connection-lost'])

/**
 * Brings a file from the builder to `destination`, holes as holes, checked against what the builder says of them, synced, and
 * named so only when complete. Interrupted attempts start again; nothing half is left behind.
 */
export async function fetchFile(
  shell: Shell,
  ssh: OpenSsh,
  remotePath: string,
  destination: string,
  options: FetchOptions,
): Promise<FetchedFile> {
  const attempts = options.maxAttempts ?? defaultAttempts
  for (let tries = 1; ; tries += 1) {
    try {
      return await slots(() => fetchOnce(shell, ssh, remotePath, destination, options))
    } catch (error) {
      options.ctx.signal.throwIfAborted()
      const again = error instanceof FactoryError && passing.has(error.code)
      if (!again || tries === attempts) throw error
      options.ctx.emit({ message: `${options.label}: ${error.message}; once more from the beginning` })
      await options.ctx.sleep(500 * tries)
    }
  }
}

async function fetchOnce(
  shell: Shell,
  ssh: OpenSsh,
  remotePath: string,
  destination: string,
  options: FetchOptions,
): Promise<FetchedFile> {
  const { ctx, label, maxSizeBytes } = options
  const [shape, cipher] = await Promise.all([probeFile(shell, remotePath, maxSizeBytes), chooseCipher(shell)])
  await checkSpace(destination, shape.contentBytes)
  const localPath = `${destination}.partial`
  await rm(localPath, { force: true })
  const limitMs = options.limitMs ?? defaultLimitMs
  using progress = watchTransfer(ctx, { label, totalBytes: shape.contentBytes, limitMs })
  try {
    await using file = await open(localPath, 'wx', 0o600)
    const { sizeBytes } = shape
    const receipt = { ssh, cipher, remotePath, sizeBytes, maxSizeBytes, localPath, file, progress }
    const fetched = await (shape.way === 'plain' ? receivePlain : receivePacked)(receipt)
    await rename(localPath, destination)
    return fetched
  } catch (error) {
    const late = overtime(error, progress.signal, ctx, remotePath, limitMs)
    const failure = await localCause(late, destination)
    await rm(localPath, { force: true })
    throw failure
  }
}

async function checkSpace(destination: string, neededBytes: number): Promise<void> {
  const freeBytes = await freeSpace(destination)
  if (freeBytes >= neededBytes + reserveBytes) return
  throw noSpace(destination, freeBytes, neededBytes)
}

async function freeSpace(destination: string): Promise<number> {
  const { bavail, bsize } = await statfs(dirname(destination))
  return bavail * bsize
}

/**
 * A full disk here shows as a write that fails, in us or in ssh, which says nothing about it but ends; nobody should
 * have to guess it from that. To be asked while the partial file still takes its space.
 */
async function localCause(error: unknown, destination: string): Promise<unknown> {
  const freeBytes = await freeSpace(destination)
  const interrupted = error instanceof FactoryError && passing.has(error.code)
  const full = ranOutOfSpace(error) || (interrupted && freeBytes < reserveBytes / 4)
  return full ? noSpace(destination, freeBytes, undefined, error) : error
}

function ranOutOfSpace(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') return true
  }
  return false
}

function noSpace(
  destination: string,
  freeBytes: number,
  neededBytes?: number,
  cause?: unknown,
): FactoryError {
  const need = neededBytes === undefined ? '' : `, ${formatBytes(neededBytes + reserveBytes)} are needed`
  return new FactoryError({
    code: 'store-full',
    message: `no space for ${destination} on this machine: ${formatBytes(freeBytes)} are free${need}`,
    hint: 'Remove old artifacts from store/sha256 in the state directory, or set FACTORY_HOME to a larger disk; then release again: the architectures that are done are kept.',
    class: 'user',
    cause,
  })
}

function overtime(
  error: unknown,
  signal: AbortSignal,
  ctx: Context,
  remotePath: string,
  limitMs: number,
): unknown {
  const reason = signal.reason as Error | undefined
  if (ctx.signal.aborted || reason?.name !== 'TimeoutError') return error
  return new FactoryError({
    code: 'transfer-too-slow',
    message: `the transfer of ${remotePath} did not finish within ${formatDuration(limitMs)}`,
    hint: 'Look at the network between here and the builder.',
    class: 'timeout',
    cause: error,
  })
}
