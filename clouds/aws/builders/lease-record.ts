import { z } from 'zod'
import { forgetLeaseFile, readLeaseFile, writeLeaseFile } from '#clouds/lease-file.ts'
import type { AwsSettings } from '../settings.ts'

const frozenRequest = z.object({
  imageId: z.string(),
  rootDevice: z.string(),
  /** GiB of the root volume. */
  rootSize: z.int(),
  user: z.string(),
  attempts: z.array(z.object({ instanceType: z.string(), subnet: z.string().optional(), spot: z.boolean() })),
  securityGroups: z.array(z.string()),
  address: z.enum(['public', 'private']),
  tags: z.record(z.string(), z.string()),
})

const leaseRecord = z.object({
  region: z.string(),
  request: frozenRequest,
  /** `asked`: there may be a machine that nobody has seen yet; `refused`: there is none; or the id of the machine. */
  outcome: z.string(),
})

/**
 * What a machine is asked for with, beside lease and keys. EC2 refuses a token that comes back with another request, so a
 * lease asks for the same thing all its life, whatever becomes of the configuration and of the newest base image.
 */
export type FrozenRequest = z.infer<typeof frozenRequest>
export type LeaseRecord = z.infer<typeof leaseRecord>

/** Remembers a lease before anything is asked for. Losing it costs a search and nothing else. */
export async function writeRecord(
  { stateDirectory }: AwsSettings,
  leaseId: string,
  record: LeaseRecord,
): Promise<void> {
  await writeLeaseFile(stateDirectory, leaseId, JSON.stringify(record))
}

/** The record of a lease; undefined when there is none that can be read. */
export async function readRecord(
  { stateDirectory }: AwsSettings,
  leaseId: string,
): Promise<LeaseRecord | undefined> {
  try {
    return leaseRecord.safeParse(JSON.parse((await readLeaseFile(stateDirectory, leaseId)) ?? '')).data
  } catch {
    return undefined
  }
}

/** Forgets a lease that was given back. */
export async function forgetRecord({ stateDirectory }: AwsSettings, leaseId: string): Promise<void> {
  await forgetLeaseFile(stateDirectory, leaseId)
}
