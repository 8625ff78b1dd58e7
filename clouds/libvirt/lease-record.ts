import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '#src/sync-directory.ts'
import type { LibvirtSettings } from './settings.ts'

/**
 * Remembers on which hypervisor a lease is rented, before anything is made there. With it a hypervisor that does not
 * answer can be told from one that never had the machine; without it all of them are asked. It survives a power cut,
 * as the machine does.
 */
export async function recordRegion(
  settings: LibvirtSettings,
  leaseId: string,
  region: string,
): Promise<void> {
  await mkdir(directory(settings), { recursive: true, mode: 0o700 })
  const file = join(directory(settings), leaseId)
  await writeSynced(`${file}.part`, region)
  await rename(`${file}.part`, file)
  for (const place of [directory(settings), settings.stateDirectory]) await syncDirectory(place)
}

/** The region of a lease; undefined when nothing was rented for it from here, and empty when it was and a power cut took the name. */
export async function recordedRegion(
  settings: LibvirtSettings,
  leaseId: string,
): Promise<string | undefined> {
  const written = await readFile(join(directory(settings), leaseId), 'utf8').catch(() => undefined)
  return written?.replaceAll('\0', '')
}

/** Whether a lease may be rented in `region` by its record: one that names no hypervisor of ours rules out none of them. */
export function mayBeRentedIn(region: string, recorded: string, settings: LibvirtSettings): boolean {
  return region === recorded || !settings.hypervisors.some((each) => each.region === recorded)
}

/** Forgets a lease that was given back, also what was being written when its factory was killed. */
export async function forgetRegion(settings: LibvirtSettings, leaseId: string): Promise<void> {
  const file = join(directory(settings), leaseId)
  for (const each of [file, `${file}.part`]) await rm(each, { force: true })
}

async function writeSynced(path: string, content: string): Promise<void> {
  await using file = await open(path, 'w', 0o600)
  await file.writeFile(content)
  await file.sync()
}

function directory({ stateDirectory }: LibvirtSettings): string {
  return join(stateDirectory, 'leases')
}
