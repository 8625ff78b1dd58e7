import type { Resource } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import type { Hypervisor } from './hypervisor.ts'
import { type LeaseMarks, marksFromJson } from './lease-marks.ts'
import { leaseOfMarks, resourceKind, volumesOfLease } from './lease-names.ts'
import { type Pool, openPool } from './pools.ts'
import { describeMachine, machineNames } from './rented.ts'
import { readSmallVolume, volumeNames } from './volumes.ts'

const maxMarksBytes = 4096

/**
 * Everything on one hypervisor that bears the owner's marks: machines by their metadata, volumes by the marks that
 * lie beside them, also when the machine is gone. Something with our kind of name and no marks is not ours.
 */
export async function* findRented(
  hypervisor: Hypervisor,
  poolName: string,
  owner: string,
  ctx: Context,
): AsyncIterable<Resource> {
  const { region } = hypervisor
  for (const name of await machineNames(hypervisor, ctx)) {
    const machine = await describeMachine(hypervisor, name, ctx).catch(() => undefined)
    if (machine?.marks.owner !== owner) continue
    const state = machine.running ? 'running' : 'not running'
    yield { kind: 'machine', id: name, region, state, ...tags(machine.marks) }
  }
  const pool = await openPool(hypervisor, poolName, ctx)
  const names = await volumeNames(pool, ctx)
  for (const name of names) {
    const marks = await readMarks(pool, name, ctx)
    if (marks?.owner !== owner) continue
    for (const volume of volumesOfLease(names, marks.lease)) {
      yield { kind: resourceKind(volume), id: volume, region, ...tags(marks) }
    }
  }
}

async function readMarks(pool: Pool, name: string, ctx: Context): Promise<LeaseMarks | undefined> {
  const leaseId = leaseOfMarks(name)
  if (leaseId === undefined) return undefined
  const text = await readSmallVolume(pool, name, { offset: 0, maxBytes: maxMarksBytes }, ctx)
  const marks = text === undefined ? undefined : marksFromJson(text)
  return marks?.lease === leaseId ? marks : undefined
}

function tags({ owner, release, arch, lease, expires }: LeaseMarks) {
  return { owner, release, arch, leaseId: lease, expires }
}
