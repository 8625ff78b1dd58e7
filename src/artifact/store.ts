import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncDirectory } from '#src/sync-directory.ts'

const readBytes = 1024 * 1024

/** The content-addressed store: a file is called by its sha256, so the same bytes are there once. */
export interface ArtifactStore {
  /** Absolute path of a file with this hex sha256, whether or not it is there. */
  path(sha256: string): string
  /** Whether a file of that name and apparent size (bytes) is there. */
  has(sha256: string, sizeBytes: number): Promise<boolean>
  /**
   * Whether the file still is what it is called; one that is not is removed, so that the next release makes it anew. What
   * came in through this store was proven then and is not read again.
   */
  isIntact(sha256: string, signal: AbortSignal): Promise<boolean>
  /**
   * A path in the store's own file system for a file that is still arriving; another one each time, so that a process
   * that was stopped and goes on later does not touch what its successor is fetching.
   */
  incoming(name: string): Promise<string>
  /** Takes an arrived file, already synced, in under its digest; returns its path when a power cut cannot undo it. */
  add(incomingPath: string, sha256: string): Promise<string>
  /** Removes what transfers that were killed have left; only for who knows that none is running. */
  clearIncoming(): Promise<void>
}

/** Opens the store below a state directory. */
export function openStore(stateDirectory: string): ArtifactStore {
  const directory = join(stateDirectory, 'store', 'sha256')
  const arriving = join(stateDirectory, 'store', 'incoming')
  const path = (sha256: string) => join(directory, sha256)
  const proven = new Set<string>()
  return {
    path,
    async has(sha256, sizeBytes) {
      const found = await stat(path(sha256)).catch(() => undefined)
      return found?.size === sizeBytes
    },
    async isIntact(sha256, signal) {
      if (proven.has(sha256)) return true
      if ((await digestOf(path(sha256), signal)) !== sha256) {
        await rm(path(sha256))
        return false
      }
      proven.add(sha256)
      return true
    },
    async incoming(name) {
      await mkdir(arriving, { recursive: true, mode: 0o700 })
      return join(arriving, `${process.pid}-${randomBytes(4).toString('hex')}-${name}`)
    },
    async add(incomingPath, sha256) {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      // Also over a file that is there: this one has just been proven, that one may have been damaged since.
      await rename(incomingPath, path(sha256))
      for (const place of [directory, dirname(directory), stateDirectory]) await syncDirectory(place)
      proven.add(sha256)
      return path(sha256)
    },
    clearIncoming: () => rm(arriving, { recursive: true, force: true }),
  }
}

async function digestOf(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { signal, highWaterMark: readBytes })) hash.update(chunk)
  return hash.digest('hex')
}
