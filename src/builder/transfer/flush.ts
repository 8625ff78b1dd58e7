import type { FileHandle } from 'node:fs/promises'

const stepBytes = 192 * 1024 * 1024

/**
 * Lets the disk write while the network still sends, so that the sync at the end has little left to do. The function
 * that it returns is told how much has come; a failure shows in the sync at the end.
 */
export function flushInTime(file: FileHandle): (arrivedBytes: number) => void {
  let nextBytes = stepBytes
  let busy = false
  return (arrivedBytes) => {
    if (busy || arrivedBytes < nextBytes) return
    busy = true
    nextBytes = arrivedBytes + stepBytes
    file
      .datasync()
      .catch(() => {})
      .finally(() => (busy = false))
  }
}
