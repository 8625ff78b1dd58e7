import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncDirectory } from '#src/sync-directory.ts'

/**
 * Writes what an adapter remembers of a lease, in its own state directory. It is durable when this returns, as the machine
 * is: whoever reads sees all of the old content or all of the new, also after a power cut.
 */
export async function writeLeaseFile(
  stateDirectory: string,
  leaseId: string,
  content: string,
): Promise<void> {
  const { file, part } = pathsOf(stateDirectory, leaseId)
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writeSynced(part, content)
  await rename(part, file)
  for (const place of [dirname(file), stateDirectory]) await syncDirectory(place)
}

/** Undefined when there is none, or none that can be read. */
export async function readLeaseFile(stateDirectory: string, leaseId: string): Promise<string | undefined> {
  return await readFile(pathsOf(stateDirectory, leaseId).file, 'utf8').catch(() => undefined)
}

/** Forgets a lease that was given back, also what was being written when its factory was killed. */
export async function forgetLeaseFile(stateDirectory: string, leaseId: string): Promise<void> {
  const { file, part } = pathsOf(stateDirectory, leaseId)
  for (const path of [file, part]) await rm(path, { force: true })
}

async function writeSynced(path: string, content: string): Promise<void> {
  await using file = await open(path, 'w', 0o600)
  await file.writeFile(content)
  await file.sync()
}

function pathsOf(stateDirectory: string, leaseId: string): { file: string; part: string } {
  const file = join(stateDirectory, 'leases', leaseId)
  return { file, part: `${file}.part` }
}
