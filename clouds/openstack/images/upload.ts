import { createHash } from 'node:crypto'
import type { Artifact } from '#src/artifact/types.ts'
import type { Extent } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { OpenstackSettings } from '../settings.ts'
import { contentOf } from './content.ts'

const uploadLimitMs = 2 * 3_600_000
const standstillMs = 2 * 60_000
/** When the last byte has gone, Glance has it to write; undici itself gives up after five minutes. */
const answerLimitMs = 5 * 60_000
const tellEveryMs = 1_000
/** A store that writes with our token needs it until the end. */
const tokenMs = 30 * 60_000

/** How far an upload got, also when it failed. */
export interface Sending {
  bytes: number
}

/**
 * Sends the content of an artifact and returns its sha512 as it went over the line. Memory stays bounded: a piece is read
 * when the one before has been taken. An upload on which nothing moves any more is given up.
 */
export async function sendContent(
  { session }: OpenstackSettings,
  { region, path, what }: { region: string; path: string; what: string },
  artifact: Artifact,
  { extents, sending }: { extents: readonly Extent[]; sending: Sending },
  ctx: Context,
): Promise<string> {
  const { sizeBytes } = artifact
  const standstill = new AbortController()
  const watch = watchdog(standstill, what)
  let hash = createHash('sha512')
  let toldAt = 0
  const moved = (bytes: Uint8Array) => {
    hash.update(bytes)
    sending.bytes += bytes.length
    watch(sending.bytes === sizeBytes ? answerLimitMs : standstillMs)
    if (ctx.now() - toldAt < tellEveryMs && sending.bytes < sizeBytes) return
    toldAt = ctx.now()
    ctx.emit({ message: what, done: sending.bytes, total: sizeBytes, unit: 'bytes' })
  }
  try {
    watch(standstillMs)
    await session.send(
      {
        service: 'image',
        region,
        what,
        method: 'PUT',
        path,
        headers: { 'content-type': 'application/octet-stream', 'x-openstack-image-size': String(sizeBytes) },
        stream: () => {
          hash = createHash('sha512')
          sending.bytes = 0
          return ReadableStream.from(contentOf(artifact, extents, moved))
        },
        limitMs: uploadLimitMs,
        tokenMs,
      },
      { ...ctx, signal: AbortSignal.any([ctx.signal, standstill.signal]) },
    )
  } finally {
    watch(undefined)
  }
  return hash.digest('hex')
}

/** Aborts when it is not called again in time; without a time it stops watching. */
function watchdog(controller: AbortController, what: string): (limitMs: number | undefined) => void {
  let timer: NodeJS.Timeout | undefined
  return (limitMs) => {
    clearTimeout(timer)
    if (limitMs === undefined) return
    timer = setTimeout(() => {
      controller.abort(
        new FactoryError({
          code: 'openstack-too-slow',
          message: `${what}: nothing moved for ${limitMs / 60_000} minutes`,
          hint: 'Run the same command again; look at the network to the cloud.',
          class: 'timeout',
        }),
      )
    }, limitMs)
  }
}
