import type { ArchitectureName } from '#arch/index.ts'
import type { Context } from '#src/context.ts'
import { machines } from './machines.ts'
import type { Pool } from './pools.ts'
import { createVolume } from './volumes.ts'

/**
 * Makes the variable store for a machine that starts with UEFI and returns its path; undefined for machines without
 * one. It is empty, as the templates that libvirt would copy are: UEFI formats it at its first start. libvirt would put its
 * copy into the pool's directory without the pool knowing it, and what a pool does not know cannot be deleted.
 */
export async function createFirmwareState(
  pool: Pool,
  name: string,
  arch: ArchitectureName,
  ctx: Pick<Context, 'signal'>,
): Promise<string | undefined> {
  const capacityBytes = machines[arch].firmwareStateBytes
  if (capacityBytes === undefined) return undefined
  return await createVolume(pool, { name, capacityBytes, format: 'raw' }, ctx)
}
