import type { Resource } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import type { Hypervisor } from './hypervisor.ts'
import { type LeaseMarks, isUnwritten, latest, marksFromJson } from './lease-marks.ts'
import { leaseOfMarks, prolongedUntil, resourceKind, volumesOfLease } from './lease-names.ts'
import { type Pool, openPool } from './pools.ts'
import { type RentedMachine, describeMachine, machineNames } from './rented.ts'
import { findVolume, readSmallVolume, volumeNames } from './volumes.ts'

const maxMarksBytes = 4096
/** Filling a volume follows making it at once; marks that are still without content after this never get any. */
const unwrittenMs = 3_600_000

interface RentedVolumes {
  marks: Pick<LeaseMarks, 'owner' | 'lease' | 'expires'> & Partial<LeaseMarks>
  volumes: string[]
}

/**
 * Everything on one hypervisor that bears the owner's marks, with the latest end that stands anywhere on its lease:
 * machines by their metadata, volumes by the marks that lie beside them, also when the machine is gone. Something with
 * our kind of name and no marks is not ours; a pool that does not answer does not hide the machines.
 */
export async function* findRented(
  hypervisor: Hypervisor,
  poolName: string,
  owner: string,
  ctx: Context,
): AsyncIterable<Resource> {
  const { region } = hypervisor
  const machines = await findMachines(hypervisor, owner, ctx)
  const read = await Promise.allSettled([findVolumes(hypervisor, poolName, owner, ctx)])
  const rented = read[0].status === 'fulfilled' ? read[0].value : []
  const all = [...machines, ...rented].map(({ marks }) => marks)
  const tags = ({ release, arch, lease, expires }: RentedVolumes['marks']) => {
    const others = all.filter((each) => each.lease === lease).map((each) => each.expires)
    const known = { ...(release === undefined ? {} : { release }), ...(arch === undefined ? {} : { arch }) }
    return { region, owner, leaseId: lease, expires: latest([expires, ...others]), ...known }
  }
  for (const { domain, running, marks } of machines) {
    yield { kind: 'machine', id: domain, state: running ? 'running' : 'not running', ...tags(marks) }
  }
  for (const { marks, volumes } of rented) {
    for (const volume of volumes) yield { kind: resourceKind(volume), id: volume, ...tags(marks) }
  }
  if (read[0].status === 'rejected') throw read[0].reason
}

async function findMachines(hypervisor: Hypervisor, owner: string, ctx: Context): Promise<RentedMachine[]> {
  const machines: RentedMachine[] = []
  for (const name of await machineNames(hypervisor, ctx)) {
    const machine = await describeMachine(hypervisor, name, ctx).catch(() => undefined)
    if (machine?.marks.owner === owner) machines.push(machine)
  }
  return machines
}

async function findVolumes(
  hypervisor: Hypervisor,
  poolName: string,
  owner: string,
  ctx: Context,
): Promise<RentedVolumes[]> {
  const pool = await openPool(hypervisor, poolName, ctx)
  const names = await volumeNames(pool, ctx)
  const rented: RentedVolumes[] = []
  for (const name of names) {
    const marks = await readMarks(pool, name, owner, ctx)
    if (marks?.owner !== owner) continue
    const prolonged = names.flatMap((each) => prolongedUntil(each, marks.lease) ?? [])
    const expires = latest([marks.expires, ...prolonged])
    rented.push({ marks: { ...marks, expires }, volumes: volumesOfLease(names, marks.lease) })
  }
  return rented
}

/** Marks that were never written belong to whoever comes: nobody can tell whose they are, and nothing else is there. */
async function readMarks(
  pool: Pool,
  name: string,
  owner: string,
  ctx: Context,
): Promise<RentedVolumes['marks'] | undefined> {
  const lease = leaseOfMarks(name)
  if (lease === undefined) return undefined
  const text = await readSmallVolume(pool, name, { offset: 0, maxBytes: maxMarksBytes }, ctx)
  if (text === undefined) return undefined
  if (isUnwritten(text)) {
    const made = await findVolume(pool, name, ctx)
    return made && { owner, lease, expires: new Date(made.modifiedAt + unwrittenMs).toISOString() }
  }
  const marks = marksFromJson(text)
  return marks?.lease === lease ? marks : undefined
}
