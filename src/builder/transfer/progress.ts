import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'

/** Watches one transfer: tells how far it is, and ends it when nothing moves. */
export interface TransferProgress extends Disposable {
  /** Aborted when the caller stops, when the attempt's time is over and when nothing has moved for too long. */
  readonly signal: AbortSignal
  /** Bytes of the file that have arrived; to be called often. */
  moved(doneBytes: number): void
  /** Waits for work of this machine alone, in which nothing needs to move. */
  ownWork<T>(work: Promise<T>): Promise<T>
}

export interface ProgressOptions {
  label: string
  totalBytes: number
  limitMs: number
}

const pauseMs = 250
const stallLimitMs = 120_000

/** Emits at most four times a second, and once at the end. */
export function watchTransfer(ctx: Context, options: ProgressOptions): TransferProgress {
  const stalled = new AbortController()
  let shownAt = 0
  let lastBytes = -1
  const giveUp = () =>
    stalled.abort(
      new FactoryError({
        code: 'transfer-stalled',
        message: `nothing of ${options.label} has moved for ${stallLimitMs / 1000} s`,
        hint: 'Look at the builder and at the network between.',
        class: 'infra',
      }),
    )
  let timer = setTimeout(giveUp, stallLimitMs)
  return {
    signal: AbortSignal.any([ctx.signal, stalled.signal, AbortSignal.timeout(options.limitMs)]),
    moved(doneBytes) {
      if (doneBytes === lastBytes) return
      lastBytes = doneBytes
      timer.refresh()
      const now = ctx.now()
      if (now - shownAt < pauseMs && doneBytes < options.totalBytes) return
      shownAt = now
      const total = Math.max(options.totalBytes, doneBytes)
      ctx.emit({ message: options.label, done: doneBytes, total, unit: 'bytes' })
    },
    async ownWork(work) {
      clearTimeout(timer)
      try {
        return await work
      } finally {
        timer = setTimeout(giveUp, stallLimitMs)
      }
    },
    [Symbol.dispose]() {
      clearTimeout(timer)
    },
  }
}
