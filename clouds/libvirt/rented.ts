import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { Hypervisor } from './hypervisor.ts'
import { type LeaseMarks, marksFromXml } from './lease-marks.ts'
import { leaseNames, volumesOfLease } from './lease-names.ts'
import { openPool } from './pools.ts'
import { virsh, virshIfThere } from './virsh.ts'
import { deleteVolume, volumeNames } from './volumes.ts'
import { parseXml } from './xml.ts'

type Stoppable = Pick<Context, 'signal'>

/** A machine of ours as it stands on a hypervisor. */
export interface RentedMachine {
  domain: string
  marks: LeaseMarks
  port: number
  running: boolean
}

/** Looks for the machine of a lease; undefined when there is none, and an error when the name is somebody else's. */
export async function describeMachine(
  hypervisor: Hypervisor,
  domain: string,
  ctx: Stoppable,
): Promise<RentedMachine | undefined> {
  const definition = await virshIfThere(hypervisor, ['dumpxml', '--domain', domain], ctx)
  if (definition === undefined) return undefined
  const ours = marksFromXml(parseXml(definition, 'domain'))
  if (!ours) throw notOurs(hypervisor, domain)
  const running = await names(hypervisor, '--state-running', ctx)
  return { domain, ...ours, running: running.includes(domain) }
}

/** The names of all machines that may be ours, in every state. */
export async function machineNames(hypervisor: Hypervisor, ctx: Stoppable): Promise<string[]> {
  const all = await names(hypervisor, '--all', ctx)
  return all.filter((name) => name.startsWith('factory-'))
}

/**
 * Removes everything of a lease from one hypervisor: machine, disks, seed, firmware state, console, and the marks
 * last, so that a removal that was cut short can still be found. "Not there" is success.
 */
export async function removeRented(
  hypervisor: Hypervisor,
  poolName: string,
  leaseId: string,
  ctx: Stoppable,
): Promise<void> {
  const { domain } = leaseNames(leaseId)
  const machine = await describeMachine(hypervisor, domain, ctx)
  if (machine) {
    await virshIfThere(hypervisor, ['destroy', '--domain', domain], ctx).catch(unlessNotRunning)
    await virshIfThere(hypervisor, ['undefine', '--domain', domain, '--nvram'], ctx)
  }
  // libvirt learns of grown console logs only by a refresh, and a removal must not miss any.
  const pool = await openPool(hypervisor, poolName, ctx, 'certain').catch(unlessNoPool)
  if (!pool) return
  for (const name of volumesOfLease(await volumeNames(pool, ctx), leaseId))
    await deleteVolume(pool, name, ctx)
}

async function names(hypervisor: Hypervisor, which: string, ctx: Stoppable): Promise<string[]> {
  const listed = await virsh(hypervisor, ['list', which, '--name'], ctx)
  return listed.split('\n').map((line) => line.trim())
}

function unlessNotRunning(error: unknown): undefined {
  if (error instanceof FactoryError && /domain is not running/.test(error.message)) return undefined
  throw error
}

function unlessNoPool(error: unknown): undefined {
  if (error instanceof FactoryError && error.code === 'pool-not-found') return undefined
  throw error
}

function notOurs(hypervisor: Hypervisor, domain: string): FactoryError {
  return new FactoryError({
    code: 'builder-name-taken',
    message: `${hypervisor.uri} has a machine ${domain} that the factory did not make`,
    hint: `Look at it (virsh -c '${hypervisor.uri}' dumpxml ${domain}) and rename or remove it.`,
    class: 'user',
  })
}
