import { z } from 'zod'
import { forgetLeaseFile, readLeaseFile, writeLeaseFile } from '#clouds/lease-file.ts'
import type { OpenstackSettings } from '../settings.ts'

const frozenRequest = z.object({
  imageId: z.string(),
  user: z.string(),
  /** GiB of the volume that the machine starts from; absent when it starts from the disk of its flavor. */
  rootGib: z.int().optional(),
  /** GiB of the data volume; 0 for none. */
  dataGib: z.int(),
  attempts: z.array(
    z.object({ flavorId: z.string(), flavor: z.string(), word: z.string(), zone: z.string().optional() }),
  ),
  networks: z.array(z.string()),
})

const leaseRecord = z.object({
  request: frozenRequest,
  /** `asked`: there may be things that nobody has seen yet; `refused`: there is no machine; or the id of the machine. */
  outcome: z.string(),
})

/** What a machine is asked for with, beside lease and keys; the same all its life, whatever becomes of the configuration. */
export type FrozenRequest = z.infer<typeof frozenRequest>
export type LeaseRecord = z.infer<typeof leaseRecord>
export type Attempt = FrozenRequest['attempts'][number]

/** Remembers a lease before anything is asked for. Losing it costs a search and nothing else. */
export async function writeRecord(
  { stateDirectory }: OpenstackSettings,
  leaseId: string,
  record: LeaseRecord,
): Promise<void> {
  await writeLeaseFile(stateDirectory, leaseId, JSON.stringify(record))
}

/** The record of a lease; undefined when there is none that can be read. */
export async function readRecord(
  { stateDirectory }: OpenstackSettings,
  leaseId: string,
): Promise<LeaseRecord | undefined> {
  try {
    return leaseRecord.safeParse(JSON.parse((await readLeaseFile(stateDirectory, leaseId)) ?? '')).data
  } catch {
    return undefined
  }
}

/** Forgets a lease that was given back. */
export async function forgetRecord({ stateDirectory }: OpenstackSettings, leaseId: string): Promise<void> {
  await forgetLeaseFile(stateDirectory, leaseId)
}
