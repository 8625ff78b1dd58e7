import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { DiskFormat } from '#arch/index.ts'
import { FactoryError } from '#src/errors.ts'
import type { Pool } from './pools.ts'
import { inTemporaryDirectory } from './temporary.ts'
import { type VirshOptions, isNotFound, virsh, virshIfThere } from './virsh.ts'
import { attributeOf, parseXml, textOf } from './xml.ts'

const firstPauseMs = 100
const longestPauseMs = 2000

export interface Volume {
  readonly name: string
  /** Absolute path on the hypervisor; also libvirt's key of the volume. */
  readonly path: string
  /** As libvirt reads it from the content. */
  readonly format: string
  /** Virtual size. */
  readonly capacityBytes: number
  readonly allocationBytes: number
  /** Of the disk that it is a copy-on-write overlay of. */
  readonly backingPath?: string
  /** When its content was last written, milliseconds since the epoch by the hypervisor's clock. */
  readonly modifiedAt: number
}

export interface NewVolume {
  name: string
  capacityBytes: number
  format: DiskFormat
  /** A disk that the new one is a copy-on-write overlay of. */
  backing?: { path: string; format: DiskFormat }
}

/** The names of all volumes in the pool. */
export async function volumeNames(pool: Pool, options: VirshOptions): Promise<string[]> {
  const listed = await virsh(pool.hypervisor, ['vol-list', '--pool', pool.name], options)
  // A line is a name and its path; only the path is read: the pool's directory, a slash, and a name without slashes.
  const prefix = `   ${pool.path.replace(/\/+$/, '')}/`
  return listed.split('\n').flatMap((line) => {
    const start = line.lastIndexOf(prefix)
    return start < 0 ? [] : [line.slice(start + prefix.length)]
  })
}

/** Looks at one volume; undefined when there is none of that name. */
export async function findVolume(
  pool: Pool,
  name: string,
  options: VirshOptions,
): Promise<Volume | undefined> {
  const argv = ['vol-dumpxml', '--pool', pool.name, '--vol', name]
  const answer = await virshIfThere(pool.hypervisor, argv, options)
  if (answer === undefined) return undefined
  const root = parseXml(answer, 'volume')
  const backingPath = textOf(root, 'backingStore/path')
  return {
    name,
    path: textOf(root, 'target/path') ?? '',
    format: attributeOf(root, 'target/format', 'type') ?? '',
    capacityBytes: Number(textOf(root, 'capacity')),
    allocationBytes: Number(textOf(root, 'allocation')),
    modifiedAt: Math.round(Number(textOf(root, 'target/timestamps/mtime') ?? Number.NaN) * 1000),
    ...(backingPath === undefined ? {} : { backingPath }),
  }
}

/** Makes an empty volume, mode 0600, and returns its path; throws when there is one of that name. */
export async function createVolume(pool: Pool, volume: NewVolume, options: VirshOptions): Promise<string> {
  const { name, capacityBytes, format, backing } = volume
  const argv = ['vol-create-as', '--pool', pool.name, '--name', name, '--capacity', String(capacityBytes)]
  argv.push('--format', format)
  if (format === 'raw') argv.push('--allocation', '0')
  if (backing) argv.push('--backing-vol', backing.path, '--backing-vol-format', backing.format)
  await virsh(pool.hypervisor, argv, options)
  return `${pool.path}/${name}`
}

/** Writes a local file over a volume; holes stay holes. */
export async function uploadFile(
  pool: Pool,
  name: string,
  file: string,
  options: VirshOptions,
): Promise<void> {
  const argv = ['vol-upload', '--pool', pool.name, '--vol', name, '--file', file, '--sparse']
  await virsh(pool.hypervisor, argv, options)
}

/** Makes a small volume with this content and returns its path; the content passes through a 0600 file here. */
export async function writeSmallVolume(
  pool: Pool,
  name: string,
  content: string | Uint8Array,
  options: VirshOptions,
): Promise<string> {
  return await inTemporaryDirectory(async (directory) => {
    const file = join(directory, 'content')
    await writeFile(file, content, { mode: 0o600 })
    const capacityBytes = Buffer.byteLength(content)
    const path = await createVolume(pool, { name, capacityBytes, format: 'raw' }, options)
    await uploadFile(pool, name, file, options)
    return path
  })
}

/** At most `maxBytes` of a volume from `offset`; undefined when there is no such volume. */
export async function readSmallVolume(
  pool: Pool,
  name: string,
  range: { offset: number; maxBytes: number },
  options: VirshOptions,
): Promise<string | undefined> {
  return await inTemporaryDirectory(async (directory) => {
    const file = join(directory, 'content')
    const argv = ['vol-download', '--pool', pool.name, '--vol', name, '--file', file]
    argv.push('--offset', String(range.offset), '--length', String(range.maxBytes))
    const done = await virshIfThere(pool.hypervisor, argv, options)
    return done === undefined ? undefined : await readFile(file, 'utf8')
  })
}

/** Deletes a volume; "not there" is success. */
export async function deleteVolume(pool: Pool, name: string, options: VirshOptions): Promise<void> {
  try {
    await virsh(pool.hypervisor, ['vol-delete', '--pool', pool.name, '--vol', name], options)
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

/**
 * Deletes a volume that somebody may still be writing, as long as `mayBeDeleted`: libvirt needs a moment to notice that
 * an upload was cut off. An upload that goes on can take an hour, so the looks come at growing intervals.
 */
export async function deleteWhenClosed(
  pool: Pool,
  name: string,
  signal: AbortSignal,
  mayBeDeleted: () => Promise<boolean>,
): Promise<void> {
  for (let pauseMs = firstPauseMs; await mayBeDeleted(); pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    try {
      return await deleteVolume(pool, name, { signal })
    } catch (error) {
      if (signal.aborted || !(error instanceof FactoryError) || error.code !== 'volume-in-use') throw error
    }
    await pause(pauseMs, undefined, { signal })
  }
}
