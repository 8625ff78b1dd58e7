import { mkdir, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect } from 'vitest'
import { openBuilder } from '#src/builder/session.ts'
import type { FetchOptions, FetchedFile } from '#src/builder/types.ts'
import type { SshServer } from '#test/servers/sshd.ts'
import type { TcpProxy } from '#test/servers/tcp-proxy.ts'
import { behind, testContext } from './test-context.ts'
import type { TestContext } from './test-context.ts'

export const KiB = 1024
export const MiB = 1024 * KiB

export interface BringOptions extends Partial<FetchOptions> {
  ctx?: TestContext
  /** What lies between. */
  proxy?: TcpProxy
  /** Where the file goes; default a directory of the server. */
  directory?: string
}

/** Brings `source` here over a real sshd; answers with what fetch said, where it is and what was told meanwhile. */
export async function bring(server: SshServer, source: string, options: BringOptions = {}) {
  const { ctx = testContext(), proxy, directory = join(server.directory, 'here'), ...more } = options
  const ref = proxy ? behind(proxy, server.ref) : server.ref
  await using builder = await openBuilder(ref, server.access, ctx)
  await mkdir(directory, { recursive: true })
  const destination = join(directory, 'disk.raw')
  const started = builder.fetch(source, destination, {
    ctx,
    label: 'x86_64 disk.raw',
    maxSizeBytes: 64 * 1024 * MiB,
    ...more,
  })
  const fetched = await started.then(
    (file) => ({ file, error: undefined }),
    (error: unknown) => ({ file: undefined, error }),
  )
  return { ...fetched, destination, ctx, left: await readdir(directory) }
}

export async function sha256sum(path: string): Promise<string> {
  return (await execa('sha256sum', ['--', path])).stdout.slice(0, 64)
}

/** A file with the given runs of random or text content, holes elsewhere. */
export async function sparse(
  path: string,
  sizeBytes: number,
  runs: readonly [number, Buffer][],
): Promise<string> {
  await using file = await open(path, 'w')
  await file.truncate(sizeBytes)
  for (const [offset, bytes] of runs) await file.write(bytes, 0, bytes.length, offset)
  await file.sync()
  return path
}

export async function expectSame(
  source: string,
  destination: string,
  file: FetchedFile | undefined,
): Promise<void> {
  expect(file?.sha256).toBe(await sha256sum(source))
  expect(await sha256sum(destination)).toBe(file?.sha256)
  expect(file?.sizeBytes).toBe((await stat(source)).size)
  expect((await stat(destination)).mode & 0o777).toBe(0o600)
}

export const text = (bytes: number) =>
  Buffer.from('a line that gets smaller\n'.repeat(bytes / 25 + 1)).subarray(0, bytes)
