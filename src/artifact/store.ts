import { existsSync } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncDirectory } from '#src/sync-directory.ts'

/** The content-addressed store: a file is called by its sha256, so the same bytes are there once. */
export interface ArtifactStore {
  /** Absolute path of a file with this hex sha256, whether or not it is there. */
  path(sha256: string): string
  /** Whether a file of that digest and apparent size (bytes) is there; digests are proven when files come in. */
  has(sha256: string, sizeBytes: number): Promise<boolean>
  /** A path in the store's own file system for a file that is still arriving. */
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
  return {
    path,
    async has(sha256, sizeBytes) {
      const found = await stat(path(sha256)).catch(() => undefined)
      return found?.size === sizeBytes
    },
    async incoming(name) {
      await mkdir(arriving, { recursive: true, mode: 0o700 })
      return join(arriving, name)
    },
    async add(incomingPath, sha256) {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const known = existsSync(path(sha256))
      if (!known) await rename(incomingPath, path(sha256))
      // Also a file that was there: the process that renamed it may have been killed before it synced the name.
      for (const place of [directory, dirname(directory), stateDirectory]) await syncDirectory(place)
      if (known) await rm(incomingPath)
      return path(sha256)
    },
    clearIncoming: () => rm(arriving, { recursive: true, force: true }),
  }
}
