import type { Context } from '#src/context.ts'
import type { OpenstackSettings } from '../settings.ts'
import type { LeaseRecord } from './lease-record.ts'
import { type Machine, machinesOfLease } from './machines.ts'
import { lookLonger } from './make-once.ts'

/** All machines of a lease; when one was asked for and never seen, they are looked for longer: the request may still be on its way. */
export async function machinesAskedFor(
  settings: OpenstackSettings,
  leaseId: string,
  record: LeaseRecord | undefined,
  ctx: Context,
): Promise<Machine[]> {
  const look = async () => await machinesOfLease(settings, leaseId, ctx)
  if (record?.outcome !== 'asked') return await look()
  const found = await lookLonger(async () => {
    const machines = await look()
    return machines.length > 0 ? machines : undefined
  }, ctx)
  return found ?? []
}
