import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { secretsDirectory } from '#src/builder/keys.ts'

/** Where the keys of a lease lie: on a tmpfs, gone with the lease or the next boot. */
export async function keysDirectory(leaseId: string): Promise<string> {
  return join(await secretsDirectory(), leaseId)
}

/** The keys of a machine that is gone open nothing any more. */
export async function forgetKeys(leaseId: string): Promise<void> {
  await rm(await keysDirectory(leaseId), { recursive: true, force: true })
}
