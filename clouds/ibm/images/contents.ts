import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { StoredObject } from './objects.ts'

/**
 * What the regions of one process share of a content: one upload, and the object until the last of them is done with it.
 */
export interface Contents {
  /**
   * Runs the work of one region. `last` is told when no other region of this process needs the object any more; a region
   * whose work failed in a way that may pass needs it still, for it will be tried again.
   */
  working<T>(sha256: string, region: string, work: () => Promise<T>, last: () => Promise<void>): Promise<T>
  /** The object, sent by whichever region asks first. */
  object(sha256: string, ctx: Context, send: () => Promise<StoredObject>): Promise<StoredObject>
}

interface Content {
  readonly wantedBy: Set<string>
  sending?: { readonly object: Promise<StoredObject>; readonly signal: AbortSignal }
}

export function openContents(): Contents {
  const contents = new Map<string, Content>()

  function contentOf(sha256: string): Content {
    const content = contents.get(sha256) ?? { wantedBy: new Set() }
    contents.set(sha256, content)
    return content
  }

  return {
    async working(sha256, region, work, last) {
      const content = contentOf(sha256)
      content.wantedBy.add(region)
      const leave = async () => {
        content.wantedBy.delete(region)
        if (content.wantedBy.size > 0) return
        contents.delete(sha256)
        await last()
      }
      try {
        const result = await work()
        await leave()
        return result
      } catch (error) {
        if (!asFactoryError(error).retryable) await leave()
        throw error
      }
    },
    async object(sha256, ctx, send) {
      const content = contentOf(sha256)
      while (content.sending) {
        const { object, signal } = content.sending
        ctx.emit({ message: 'waiting for the disk, which goes to the bucket for another region already' })
        try {
          return await unlessAborted(object, ctx.signal)
        } catch (error) {
          ctx.signal.throwIfAborted()
          // Only its sender was stopped: somebody else takes over.
          if (!signal.aborted) throw error
        }
      }
      const object = send().finally(() => delete content.sending)
      content.sending = { object, signal: ctx.signal }
      return await object
    },
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const stopped = Promise.withResolvers<never>()
  const stop = () => stopped.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    return await Promise.race([promise, stopped.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
