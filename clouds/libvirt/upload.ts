import { setTimeout as pause } from 'node:timers/promises'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import type { Pool } from './pools.ts'
import { findVolume, uploadFile } from './volumes.ts'

const progressEveryMs = 2000
/** The slowest transfer that is still worth waiting for. */
const slowestBytesPerMs = 512

/** Sends the content of an artifact into its volume, holes as holes, and tells how far it got. */
export async function upload(pool: Pool, volume: string, artifact: Artifact, ctx: Context): Promise<void> {
  const limitMs = 120_000 + Math.ceil(artifact.contentBytes / slowestBytesPerMs)
  const finished = new AbortController()
  const signal = AbortSignal.any([ctx.signal, finished.signal])
  const telling = tellProgress(pool, volume, artifact, { ...ctx, signal })
  try {
    await uploadFile(pool, volume, artifact.path, { signal: ctx.signal, limitMs })
  } finally {
    finished.abort()
    await telling
  }
}

/** virsh says nothing while it sends, but how much of the volume is allocated can be asked. */
async function tellProgress(pool: Pool, volume: string, artifact: Artifact, ctx: Context): Promise<void> {
  const { signal } = ctx
  const total = artifact.contentBytes
  const message = `sending to ${pool.hypervisor.uri}`
  ctx.emit({ message, done: 0, total, unit: 'bytes' })
  try {
    for (;;) {
      await pause(progressEveryMs, undefined, { signal })
      const found = await findVolume(pool, volume, { signal })
      if (found) ctx.emit({ message, done: Math.min(found.allocationBytes, total), total, unit: 'bytes' })
    }
  } catch {
    // Stopped, or nobody knows how far it is: the upload itself says whether it went well.
  }
}
