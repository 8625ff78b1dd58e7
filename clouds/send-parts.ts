import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { type Part, digestOfPart, partsOf } from './file-parts.ts'
import type { Pace } from './pace.ts'

/** Where the parts of a file go, and how the store there tells them apart. */
export interface PartStore {
  readonly algorithm: 'sha256' | 'md5'
  readonly pace: Pace
  /** For people, after "sending to". */
  readonly place: string
  /** The store's tag of the part when it has it already, with this digest. */
  known(part: Part, digest: Buffer): string | undefined
  /** Sends a part, which the pace has let start, and returns the store's tag for it. */
  put(part: Part, digest: Buffer, ctx: Context): Promise<string>
}

/** A part that the store has. */
export interface SentPart {
  readonly number: number
  readonly tag: string
  readonly digest: Buffer
}

/**
 * Sends the parts of a file that a store has not got yet, holes and all: object stores know none. Each is read twice, for
 * its digest and to be sent, and in memory there is never more than a piece of the ones that are on their way.
 */
export async function sendParts(store: PartStore, artifact: Artifact, ctx: Context): Promise<SentPart[]> {
  const { pace } = store
  const stop = new AbortController()
  const own = { ...ctx, signal: AbortSignal.any([ctx.signal, stop.signal]) }
  const running = new Set<Promise<void>>()
  const sent: SentPart[] = []
  let doneBytes = 0
  const done = (part: Part, tag: string, digest: Buffer): void => {
    sent.push({ number: part.number, tag, digest })
    doneBytes += part.length
    const message = `sending to ${store.place}`
    ctx.emit({ message, done: doneBytes, total: artifact.sizeBytes, unit: 'bytes' })
  }
  const send = async (part: Part, digest: Buffer): Promise<void> => {
    try {
      done(part, await store.put(part, digest, own), digest)
      pace.done('answered')
    } catch (error) {
      pace.done('failed')
      stop.abort(error)
    }
  }
  try {
    for (const part of partsOf(artifact.sizeBytes)) {
      const digest = await digestOfPart(artifact.path, part, own.signal, store.algorithm)
      const known = store.known(part, digest)
      if (known !== undefined) {
        done(part, known, digest)
        continue
      }
      await pace.start()
      own.signal.throwIfAborted()
      const put = send(part, digest).finally(() => running.delete(put))
      running.add(put)
    }
  } finally {
    await Promise.all(running)
  }
  own.signal.throwIfAborted()
  return sent.toSorted((a, b) => a.number - b.number)
}
