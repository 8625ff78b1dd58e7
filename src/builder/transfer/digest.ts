import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Layout } from './sparse-tar.ts'

export interface DigestTask extends Layout {
  path: string
  /** One 64-bit number: content is complete up to this offset. */
  shared: SharedArrayBuffer
}

export interface RunningDigest extends AsyncDisposable {
  /** Says up to which offset of the file all content has been written. */
  advance(offset: number): void
  /** The hex sha256 of the whole file, holes read as zeros. */
  result(): Promise<string>
}

/** Threads that have done their file and wait for the next one: to start one costs more than to hash a small file. */
const idle: Worker[] = []

/**
 * Starts hashing a file that is still being written; disposing of it gives up. Hashing what a builder says is a file of
 * many terabytes takes hours, all holes though it may be: when the signal is aborted, the result is its reason.
 */
export function startDigest(path: string, layout: Layout, signal: AbortSignal): RunningDigest {
  const shared = new SharedArrayBuffer(8)
  const written = new BigInt64Array(shared)
  const task: DigestTask = { path, shared, ...layout }
  const worker = idle.pop() ?? startWorker()
  let done = false
  const answer = once(worker, 'message', { signal }).then(
    ([digest]) => {
      done = true
      return digest as string
    },
    (error: unknown) => {
      signal.throwIfAborted()
      throw error
    },
  )
  answer.catch(() => {})
  worker.ref()
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
  worker.postMessage(task)

  function tell(offset: number): void {
    Atomics.store(written, 0, BigInt(offset))
    Atomics.notify(written, 0)
  }

  return {
    advance: tell,
    async result() {
      tell(layout.sizeBytes)
      return answer
    },
    async [Symbol.asyncDispose]() {
      if (!done) return void (await worker.terminate())
      // Nobody's process is kept from its end by it.
      worker.unref()
      idle.push(worker)
    },
  }
}

function startWorker(): Worker {
  return new Worker(new URL('./digest-worker.ts', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
  })
}
