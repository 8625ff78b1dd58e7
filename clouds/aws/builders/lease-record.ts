import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { syncDirectory } from '#src/sync-directory.ts'
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

/** Remembers a lease before anything is asked for; durable, as the machine is. Losing it costs a search and nothing else. */
export async function writeRecord(
  settings: AwsSettings,
  leaseId: string,
  record: LeaseRecord,
): Promise<void> {
  await mkdir(directory(settings), { recursive: true, mode: 0o700 })
  const file = join(directory(settings), leaseId)
  await writeSynced(`${file}.part`, JSON.stringify(record))
  await rename(`${file}.part`, file)
  for (const place of [directory(settings), settings.stateDirectory]) await syncDirectory(place)
}

/** The record of a lease; undefined when there is none that can be read. */
export async function readRecord(settings: AwsSettings, leaseId: string): Promise<LeaseRecord | undefined> {
  try {
    const written = await readFile(join(directory(settings), leaseId), 'utf8')
    return leaseRecord.safeParse(JSON.parse(written)).data
  } catch {
    return undefined
  }
}

/** Forgets a lease that was given back, also what was being written when its factory was killed. */
export async function forgetRecord(settings: AwsSettings, leaseId: string): Promise<void> {
  const file = join(directory(settings), leaseId)
  for (const each of [file, `${file}.part`]) await rm(each, { force: true })
}

async function writeSynced(path: string, content: string): Promise<void> {
  await using file = await open(path, 'w', 0o600)
  await file.writeFile(content)
  await file.sync()
}

function directory({ stateDirectory }: AwsSettings): string {
  return join(stateDirectory, 'leases')
}
