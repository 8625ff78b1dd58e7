import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LibvirtSettings } from './settings.ts'

/**
 * Remembers on which hypervisor a lease is rented, before anything is made there. With it a hypervisor that does not
 * answer can be told from one that never had the machine; without it all of them are asked.
 */
export async function recordRegion(
  settings: LibvirtSettings,
  leaseId: string,
  region: string,
): Promise<void> {
  await mkdir(directory(settings), { recursive: true, mode: 0o700 })
  const file = join(directory(settings), leaseId)
  await writeFile(`${file}.part`, region, { mode: 0o600 })
  await rename(`${file}.part`, file)
}

/** The region of a lease; undefined when nothing was rented for it from here. */
export async function recordedRegion(
  settings: LibvirtSettings,
  leaseId: string,
): Promise<string | undefined> {
  return await readFile(join(directory(settings), leaseId), 'utf8').catch(() => undefined)
}

/** Forgets a lease that was given back. */
export async function forgetRegion(settings: LibvirtSettings, leaseId: string): Promise<void> {
  await rm(join(directory(settings), leaseId), { force: true })
}

function directory({ stateDirectory }: LibvirtSettings): string {
  return join(stateDirectory, 'leases')
}
