import type { FileHandle } from 'node:fs/promises'

const stepBytes = 192 * 1024 * 1024

export interface Flush {
  /** To be told how much has come; may start to write it to the disk. */
  arrived(bytes: number): void
  /** Waits until all is on the disk. */
  end(): Promise<void>
}

/**
 * Lets the disk write while the network still sends, so that the sync at the end has little left to do. Linux tells a
 * file of a failed write once and then never again (https://lwn.net/Articles/752063/), so that the failure of an early
 * sync must be kept: the one at the end would succeed.
 */
export function flushInTime(file: Pick<FileHandle, 'datasync' | 'sync'>): Flush {
  let nextBytes = stepBytes
  let busy = false
  let flushed = Promise.resolve()
  return {
    arrived(bytes) {
      if (busy || bytes < nextBytes) return
      busy = true
      nextBytes = bytes + stepBytes
      flushed = flushed.then(() => file.datasync()).finally(() => (busy = false))
      flushed.catch(() => {})
    },
    async end() {
      await flushed
      await file.sync()
    },
  }
}
