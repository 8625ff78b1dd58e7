import { setTimeout as delay } from 'node:timers/promises'
import { quoteWord } from '#src/builder/quote.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { formatBytes } from '#src/units.ts'
import type { Hypervisor } from './hypervisor.ts'
import { isNotFound, virsh, virshIfThere } from './virsh.ts'
import { type XmlElement, parseXml, textOf } from './xml.ts'

type Stoppable = Pick<Context, 'signal'>

/** A storage pool of a hypervisor: a directory there. */
export interface Pool {
  readonly hypervisor: Hypervisor
  readonly name: string
  /** The directory on the hypervisor. */
  readonly path: string
  readonly capacityBytes: number
  readonly availableBytes: number
}

const directoryTypes = ['dir', 'fs', 'netfs']

/**
 * Looks at a pool with fresh numbers; throws `pool-not-found` (with the pools that exist), `pool-inactive` or
 * `pool-not-supported`.
 */
export async function openPool(
  hypervisor: Hypervisor,
  name: string,
  ctx: Stoppable,
  freshness: 'usual' | 'certain' = 'usual',
): Promise<Pool> {
  await refreshPool(hypervisor, name, ctx, Date.now() + (freshness === 'certain' ? freshWithinMs : 0))
  const root = parseXml(await virsh(hypervisor, ['pool-dumpxml', '--pool', name], ctx), 'pool')
  const type = root.attributes['type'] ?? ''
  if (!directoryTypes.includes(type)) throw notSupported(hypervisor, name, type)
  return poolFrom(hypervisor, name, root)
}

/**
 * The directories among the active pools of a hypervisor, whoever made them. Their numbers are what libvirt knows: a
 * refresh that fails stops a pool, which is not for us to do to other people's.
 */
export async function activePools(hypervisor: Hypervisor, ctx: Stoppable): Promise<Pool[]> {
  const listed = await virsh(hypervisor, ['pool-list', '--name'], ctx)
  const pools: Pool[] = []
  for (const name of listed.split('\n').flatMap((line) => line.trim() || [])) {
    const answer = await virshIfThere(hypervisor, ['pool-dumpxml', '--pool', name], ctx)
    const root = answer === undefined ? undefined : parseXml(answer, 'pool')
    if (root && directoryTypes.includes(root.attributes['type'] ?? '')) {
      pools.push(poolFrom(hypervisor, name, root))
    }
  }
  return pools
}

function poolFrom(hypervisor: Hypervisor, name: string, root: XmlElement): Pool {
  return {
    hypervisor,
    name,
    path: textOf(root, 'target/path') ?? '',
    capacityBytes: Number(textOf(root, 'capacity')),
    availableBytes: Number(textOf(root, 'available')),
  }
}

/** An upload of another architecture's image ends within this, as a rule. */
const freshWithinMs = 120_000

/** Makes libvirt look at the directory again: it knows neither files nor free space that others changed meanwhile. */
async function refreshPool(
  hypervisor: Hypervisor,
  name: string,
  ctx: Stoppable,
  untilMs: number,
): Promise<void> {
  try {
    await virsh(hypervisor, ['pool-refresh', '--pool', name], ctx)
  } catch (error) {
    if (isNotFound(error)) throw await notFound(hypervisor, name, ctx)
    // While somebody uploads into the pool libvirt refuses; what it knows then is fresh enough.
    if (!(error instanceof FactoryError) || !/asynchronous jobs/.test(error.message)) throw error
    if (Date.now() >= untilMs) return
    await delay(500, undefined, { signal: ctx.signal })
    await refreshPool(hypervisor, name, ctx, untilMs)
  }
}

/** Throws `pool-full` when the pool has less than `neededBytes` available. */
export function assertSpace(pool: Pool, neededBytes: number, what: string): void {
  if (pool.availableBytes >= neededBytes) return
  const { name, hypervisor, availableBytes } = pool
  throw new FactoryError({
    code: 'pool-full',
    message: `the storage pool ${name} on ${hypervisor.uri} has ${formatBytes(availableBytes)} available, and ${what} needs ${formatBytes(neededBytes)}`,
    hint: `Make room in ${pool.path} on the hypervisor, or name another pool in the configuration.`,
    class: 'disk-full',
    context: { pool: name, availableBytes, neededBytes },
  })
}

async function notFound(hypervisor: Hypervisor, name: string, ctx: Stoppable): Promise<FactoryError> {
  const listed = await virsh(hypervisor, ['pool-list', '--all', '--name'], ctx)
  const names = listed
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
  const existing = names.length === 0 ? 'there are none' : `there are: ${names.join(', ')}`
  const connect = `virsh -c ${quoteWord(hypervisor.uri)}`
  const pool = quoteWord(name)
  const target = quoteWord(`/var/lib/libvirt/${name}`)
  const make = [
    `${connect} pool-define-as --name ${pool} --type dir --target ${target}`,
    `${connect} pool-build --pool ${pool}`,
    `${connect} pool-start --pool ${pool}`,
  ].join(' && ')
  return new FactoryError({
    code: 'pool-not-found',
    message: `there is no storage pool ${name} on ${hypervisor.uri}; ${existing}`,
    hint: `${names.length === 0 ? 'Make it' : 'Name one of them in the configuration, or make it'}:\n${make}`,
    class: 'user',
    context: { pool: name, existing: names },
  })
}

function notSupported(hypervisor: Hypervisor, name: string, type: string): FactoryError {
  return new FactoryError({
    code: 'pool-not-supported',
    message: `the storage pool ${name} on ${hypervisor.uri} is of type ${type}; images and builders need a directory`,
    hint: `Name a pool of one of the types ${directoryTypes.join(', ')} in the configuration.`,
    class: 'user',
  })
}
