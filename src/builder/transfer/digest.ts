import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Layout } from './sparse-tar.ts'

export interface DigestTask extends Layout {
  path: string
  /** Two 64-bit numbers: content is complete up to this offset, and so many bytes of content have been hashed. */
  shared: SharedArrayBuffer
}

/** Their places in `shared`. */
export const written = 0
export const hashed = 1

export interface RunningDigest extends AsyncDisposable {
  /** Says up to which offset of the file all content has been written. */
  advance(offset: number): void
  /**
   * What to wait for before more is written than these bytes of content, when the hashing is far behind them. Who writes
   * ahead of it takes the processor from it, and then waits for it alone in the end.
   */
  near(contentBytes: number): Promise<void> | undefined
  /** The hex sha256 of the whole file, holes read as zeros. */
  result(): Promise<string>
}

/** Bytes of content that writing may be ahead. */
const leadBytes = 128 * 1024 ** 2
const lookMs = 100

/** Threads that have done their file and wait for the next one: to start one costs more than to hash a small file. */
const idle: Worker[] = []

/**
 * Starts hashing a file that is still being written; disposing of it gives up. Hashing what a builder says is a file of
 * many terabytes takes hours, all holes though it may be: when the signal is aborted, the result is its reason.
 */
export function startDigest(path: string, layout: Layout, signal: AbortSignal): RunningDigest {
  const shared = new SharedArrayBuffer(16)
  const offsets = new BigInt64Array(shared)
  const task: DigestTask = { path, shared, ...layout }
  const worker = idle.pop() ?? startWorker()
  let done = false
  let failed = false
  const answer = once(worker, 'message', { signal }).then(
    ([digest]) => {
      done = true
      return digest as string
    },
    (error: unknown) => {
      failed = true
      signal.throwIfAborted()
      throw error
    },
  )
  answer.catch(() => {})
  worker.ref()
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
  worker.postMessage(task)

  function tell(offset: number): void {
    Atomics.store(offsets, written, BigInt(offset))
    Atomics.notify(offsets, written)
  }

  const isNear = (contentBytes: number) =>
    failed || Number(Atomics.load(offsets, hashed)) >= contentBytes - leadBytes

  async function untilNear(contentBytes: number): Promise<void> {
    while (!isNear(contentBytes))
      await Atomics.waitAsync(offsets, hashed, Atomics.load(offsets, hashed), lookMs).value
  }

  return {
    advance: tell,
    near: (contentBytes) => (isNear(contentBytes) ? undefined : untilNear(contentBytes)),
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
