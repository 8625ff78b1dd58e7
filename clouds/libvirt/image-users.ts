import { namedUsers } from '#clouds/named-users.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { Hypervisor } from './hypervisor.ts'
import { channelVolumeOf } from './image-channel.ts'
import { volumeOf } from './image-marker.ts'
import { type Pool, activePools } from './pools.ts'
import { isNotFound, virsh, virshIfThere } from './virsh.ts'
import { findVolume, volumeNames } from './volumes.ts'
import { type XmlElement, parseXml, select, textOf } from './xml.ts'

type Stoppable = Pick<Context, 'signal'>

interface Domain {
  name: string
  runs: boolean
  disks: DiskSource[]
}

/** A disk is given as a file, or as a volume of a pool. */
type DiskSource = { path: string } | { pool: string; volume: string }

/**
 * What on the hypervisor of a pool needs the volume at `path`, in words: a machine, running or only defined, with it as a
 * disk or beneath one, or a copy-on-write overlay in any active pool; undefined where nothing does. Costs one call a
 * machine, and one a volume where no machine uses it. Files outside of all pools, and paths by way of a symbolic link, are
 * not seen.
 */
export async function imageUsers(pool: Pool, path: string, ctx: Stoppable): Promise<string | undefined> {
  const { hypervisor } = pool
  const pools = [pool, ...(await activePools(hypervisor, ctx)).filter(({ name }) => name !== pool.name)]
  const machines = (await domains(hypervisor, ctx)).filter(({ disks }) =>
    disks.some((disk) => pathOf(disk, pools) === path),
  )
  const running = machines.filter(({ runs }) => runs).map(({ name }) => name)
  if (running.length > 0) return namedUsers('machine', running, { one: 'runs from it', many: 'run from it' })
  const defined = machines.map(({ name }) => name)
  if (defined.length > 0) {
    const one = 'has it as a disk, although it does not run now'
    return namedUsers('machine', defined, { one, many: 'have it as a disk, although they do not run now' })
  }
  return await overlay(pools, path, ctx)
}

async function domains(hypervisor: Hypervisor, ctx: Stoppable): Promise<Domain[]> {
  const found: Domain[] = []
  // By UUID: virsh takes a name of digits for the number of a running machine.
  const listed = await virsh(hypervisor, ['list', '--all', '--uuid'], ctx)
  for (const uuid of listed.split('\n').flatMap((line) => line.trim() || [])) {
    const answer = await virshIfThere(hypervisor, ['dumpxml', '--domain', uuid], ctx)
    if (answer === undefined) continue
    const root = parseXml(answer, 'domain')
    const disks = select(root, 'devices/disk').flatMap(sourcesIn)
    // Only one that runs has a number.
    found.push({ name: textOf(root, 'name') ?? uuid, runs: root.attributes['id'] !== undefined, disks })
  }
  return found
}

/** The disk itself, everything beneath it, and what it is being copied to, as deep as it goes. */
function sourcesIn(element: XmlElement): DiskSource[] {
  return Object.entries(element.children).flatMap(([name, children]) =>
    children.flatMap((child) => [...(name === 'source' ? sourceOf(child) : []), ...sourcesIn(child)]),
  )
}

function sourceOf({ attributes: { file, dev, pool, volume } }: XmlElement): DiskSource[] {
  if (pool !== undefined && volume !== undefined) return [{ pool, volume }]
  const path = file ?? dev
  return path === undefined ? [] : [{ path }]
}

function pathOf(disk: DiskSource, pools: readonly Pool[]): string | undefined {
  if ('path' in disk) return disk.path
  const pool = pools.find(({ name }) => name === disk.pool)
  return pool && `${pool.path}/${disk.volume}`
}

/** The first volume whose content lies on the path. libvirt looks into a volume when it is asked, whatever its name says. */
async function overlay(pools: readonly Pool[], path: string, ctx: Stoppable): Promise<string | undefined> {
  for (const pool of pools) {
    for (const name of await volumeNames(pool, ctx).catch(unlessStopped)) {
      if (isBesideImage(name)) continue
      const volume = await findVolume(pool, name, ctx)
      if (volume?.backingPath === path) return `the volume ${volume.path} is an overlay of it`
    }
  }
  return undefined
}

/** Small files of ours, one or more an image. */
function isBesideImage(name: string): boolean {
  return (volumeOf('marker', name) ?? volumeOf('claim', name) ?? channelVolumeOf(name)) !== undefined
}

/** Other people's pools come and go. */
function unlessStopped(error: unknown): string[] {
  if (isNotFound(error) || (error instanceof FactoryError && error.code === 'pool-inactive')) return []
  throw error
}
