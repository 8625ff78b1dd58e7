import { forgetLeaseFile, readLeaseFile, writeLeaseFile } from '#clouds/lease-file.ts'
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
  await writeLeaseFile(settings.stateDirectory, leaseId, region)
}

/** The region of a lease; undefined when nothing was rented for it from here, and empty when it was and a power cut took the name. */
export async function recordedRegion(
  settings: LibvirtSettings,
  leaseId: string,
): Promise<string | undefined> {
  const written = await readLeaseFile(settings.stateDirectory, leaseId)
  return written?.replaceAll('\0', '')
}

/** Whether a lease may be rented in `region` by its record: one that names no hypervisor of ours rules out none of them. */
export function mayBeRentedIn(region: string, recorded: string, settings: LibvirtSettings): boolean {
  return region === recorded || !settings.hypervisors.some((each) => each.region === recorded)
}

/** Forgets a lease that was given back. */
export async function forgetRegion({ stateDirectory }: LibvirtSettings, leaseId: string): Promise<void> {
  await forgetLeaseFile(stateDirectory, leaseId)
}
