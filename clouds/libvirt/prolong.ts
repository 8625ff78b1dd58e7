import { leaseGone } from '#clouds/lease-gone.ts'
import type { Context } from '#src/context.ts'
import type { Hypervisor } from './hypervisor.ts'
import { latest, marksNamespace, marksToElement } from './lease-marks.ts'
import { prolongedMark, prolongedUntil } from './lease-names.ts'
import { openPool } from './pools.ts'
import { type RentedMachine, describeMachine } from './rented.ts'
import { isNotFound, virsh } from './virsh.ts'
import { createVolume, deleteVolume, volumeNames } from './volumes.ts'

/**
 * Writes a later end on a machine and beside its volumes. Whoever reads takes the latest end that he finds, and every
 * step is whole or not done at all: libvirt replaces metadata at once, and the mark beside the volumes is a new empty
 * volume whose name says the end. Earlier ones go only then, and never later ones: those are from somebody newer.
 */
export async function prolongRented(
  hypervisor: Hypervisor,
  poolName: string,
  machine: RentedMachine,
  expires: string,
  ctx: Context,
): Promise<void> {
  const { lease } = machine.marks
  await writeMetadata(hypervisor, machine, expires, ctx)
  const pool = await openPool(hypervisor, poolName, ctx)
  const names = await volumeNames(pool, ctx)
  const known = names.flatMap((name) => prolongedUntil(name, lease) ?? [])
  if (!known.some((until) => Date.parse(until) >= Date.parse(expires))) {
    const mark = { name: prolongedMark(lease, expires), capacityBytes: 0, format: 'raw' } as const
    await createVolume(pool, mark, ctx)
  }
  for (const until of known.filter((one) => Date.parse(one) < Date.parse(expires))) {
    await deleteVolume(pool, prolongedMark(lease, until), ctx)
  }
}

async function writeMetadata(
  hypervisor: Hypervisor,
  { domain, marks, port }: RentedMachine,
  expires: string,
  ctx: Context,
): Promise<void> {
  if (latest([marks.expires, expires]) !== expires) return
  const element = marksToElement({ ...marks, expires }, port)
  const argv = ['metadata', '--domain', domain, '--uri', marksNamespace, '--key', 'factory', '--set', element]
  try {
    await virsh(hypervisor, [...argv, '--live'], ctx)
  } catch (error) {
    const gone = isNotFound(error) || !(await describeMachine(hypervisor, domain, ctx))
    throw gone ? leaseGone(marks.lease, error) : error
  }
}
