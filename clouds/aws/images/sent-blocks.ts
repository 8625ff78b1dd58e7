import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Which blocks a pending snapshot has: EBS tells only of completed ones. Each is written down when it was answered, as
 * its number and that number's complement, so that what a power cut leaves in the file is not taken for one. Losing the
 * file means sending again what is there already.
 */
export interface SentBlocks extends AsyncDisposable {
  has(index: number): boolean
  readonly count: number
  add(index: number): Promise<void>
}

const entryBytes = 8

export async function openSentBlocks(stateDirectory: string, snapshotId: string): Promise<SentBlocks> {
  const file = await open(pathOf(stateDirectory, snapshotId), 'a+', 0o600)
  const sent = await readEntries(file)
  return {
    has: (index) => sent.has(index),
    get count() {
      return sent.size
    },
    async add(index) {
      const entry = Buffer.alloc(entryBytes)
      entry.writeUInt32LE(index, 0)
      entry.writeUInt32LE(~index >>> 0, 4)
      await file.write(entry)
      sent.add(index)
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}

/** For when the snapshot is complete or gone. */
export async function forgetSentBlocks(stateDirectory: string, snapshotId: string): Promise<void> {
  await rm(pathOf(stateDirectory, snapshotId), { force: true })
}

async function readEntries(file: FileHandle): Promise<Set<number>> {
  const sent = new Set<number>()
  const bytes = await file.readFile()
  for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
    const index = bytes.readUInt32LE(at)
    if (bytes.readUInt32LE(at + 4) === ~index >>> 0) sent.add(index)
  }
  // A torn entry would shift all that follow.
  await file.truncate(bytes.length - (bytes.length % entryBytes))
  return sent
}

function pathOf(stateDirectory: string, snapshotId: string): string {
  return join(stateDirectory, `${snapshotId}.sent`)
}
