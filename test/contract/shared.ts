import { randomBytes } from 'node:crypto'
import type { Cloud, Image, ImageKey, Lease, Resource } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'

/** A real place of its own that is empty at first. */
export interface OpenCloud extends AsyncDisposable {
  readonly owner: string
  /** A fresh instance that remembers nothing in memory. */
  open(): Promise<Cloud>
}

/** A context for tests: what is told is kept, the deadline is short. */
export function testContext(limitMs = 50_000): Context & { told: string[] } {
  const told: string[] = []
  return {
    told,
    signal: AbortSignal.timeout(limitMs),
    emit: ({ message }) => told.push(message),
    log: (line) => told.push(line),
    now: Date.now,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  }
}

/** A lease that no other test has. */
export function newLease(owner: string, arch: Lease['arch']): Lease {
  const id = `t-${randomBytes(5).toString('hex')}`
  return { id, owner, release: 'test', arch, expires: new Date(Date.now() + 3_600_000).toISOString() }
}

/** The key of an artifact's image; another name makes another image. */
export function imageKey(cloud: Cloud, owner: string, artifact: Artifact, name = 'contract'): ImageKey {
  const { arch, sha256, format } = artifact
  const region = cloud.images!.regions[0]!
  const pushedDigest = `sha256:${'d'.repeat(64)}`
  const origin = {
    releaseKey: 'key',
    buildKey: `key-${arch}`,
    identity: 'test 1',
    imageName: name,
    pushedDigest,
  }
  const place = { cloud: cloud.name, region, arch }
  return { ...place, sha256, format, name: `${name}-${arch}`, release: 'test', owner, origin }
}

/** All of an asynchronous sequence. */
export async function gather<T extends Resource | Image>(sequence: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const each of sequence) all.push(each)
  return all
}
