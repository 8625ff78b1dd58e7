import { z } from 'zod'
import { forgetLeaseFile, readLeaseFile, writeLeaseFile } from '#clouds/lease-file.ts'
import type { Host } from './hosts.ts'
import type { SshSettings } from './settings.ts'

const names = z.array(z.string())

/**
 * The hosts on which a lease may have a slot, the newest last; written before a slot is asked for. With it a host that does
 * not answer can be told from one that never had the lease. Empty when nobody knows.
 */
export async function recordedHosts(settings: SshSettings, leaseId: string): Promise<string[]> {
  try {
    return names.parse(JSON.parse((await readLeaseFile(settings.stateDirectory, leaseId)) ?? ''))
  } catch {
    return []
  }
}

export async function recordHost(settings: SshSettings, leaseId: string, host: Host): Promise<void> {
  const before = await recordedHosts(settings, leaseId)
  const after = [...before.filter((name) => name !== host.name), host.name]
  await writeLeaseFile(settings.stateDirectory, leaseId, JSON.stringify(after))
}

/** Forgets a lease that was given back. */
export async function forgetHosts({ stateDirectory }: SshSettings, leaseId: string): Promise<void> {
  await forgetLeaseFile(stateDirectory, leaseId)
}

/** The hosts that decide whether anything of a lease is there: those of its record, or all when it names none of ours. */
export async function hostsOfLease(settings: SshSettings, leaseId: string): Promise<readonly Host[]> {
  const recorded = await recordedHosts(settings, leaseId)
  const known = settings.hosts.filter(({ name }) => recorded.includes(name))
  return known.length === 0 ? settings.hosts : known
}

/** Names of hosts that may have a slot of the lease and that the configuration does not name any more. */
export async function lostHosts(settings: SshSettings, leaseId: string): Promise<string[]> {
  const recorded = await recordedHosts(settings, leaseId)
  return recorded.filter((place) => !settings.hosts.some(({ name }) => name === place))
}
