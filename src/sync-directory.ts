import { open } from 'node:fs/promises'

/** Makes the names in a directory durable: when the power goes, a synced file can still be lost with its name. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r')
  await directory.sync()
}
