import { z } from 'zod'
import { forgetLeaseFile, readLeaseFile, writeLeaseFile } from '#clouds/lease-file.ts'
import type { IbmSettings } from '../settings.ts'

const attempt = z.object({ profile: z.string(), subnet: z.string(), zone: z.string(), vpc: z.string() })

const frozenRequest = z.object({
  imageId: z.string(),
  /** GB of the boot volume. */
  bootGb: z.int(),
  /** GB of the data volume; 0 for none. */
  dataGb: z.int(),
  volumeProfile: z.string(),
  user: z.string(),
  attempts: z.array(attempt),
  securityGroups: z.array(z.string()),
  resourceGroup: z.string().optional(),
  address: z.enum(['public', 'private']),
})

const leaseRecord = z.object({
  region: z.string(),
  request: frozenRequest,
  /** `asked`: there may be a machine that nobody has seen yet; `refused`: there is none; or the id of the machine. */
  outcome: z.string(),
})

/** One way of asking for a machine. */
export type Attempt = z.infer<typeof attempt>
/** What a machine is asked for with, beside lease and keys: the same all its life, whatever becomes of the configuration. */
export type FrozenRequest = z.infer<typeof frozenRequest>
export type LeaseRecord = z.infer<typeof leaseRecord>

/** Remembers a lease before anything is asked for. Losing it costs a search and nothing else. */
export async function writeRecord(
  { stateDirectory }: IbmSettings,
  leaseId: string,
  record: LeaseRecord,
): Promise<void> {
  await writeLeaseFile(stateDirectory, leaseId, JSON.stringify(record))
}

/** The record of a lease; undefined when there is none that can be read. */
export async function readRecord(
  { stateDirectory }: IbmSettings,
  leaseId: string,
): Promise<LeaseRecord | undefined> {
  try {
    return leaseRecord.safeParse(JSON.parse((await readLeaseFile(stateDirectory, leaseId)) ?? '')).data
  } catch {
    return undefined
  }
}

/** Forgets a lease that was given back. */
export async function forgetRecord({ stateDirectory }: IbmSettings, leaseId: string): Promise<void> {
  await forgetLeaseFile(stateDirectory, leaseId)
}
