import { createHash } from 'node:crypto'
import type { DiskFormat } from '#arch/index.ts'
import type { BuilderSpec } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import type { LibvirtBase } from './config.ts'
import type { DirectBoot } from './domain.ts'
import type { Hypervisor } from './hypervisor.ts'
import { recordedRegion } from './lease-record.ts'
import { type Pool, assertSpace, openPool } from './pools.ts'
import { machineNames } from './rented.ts'
import { type LibvirtSettings, builderPoolName } from './settings.ts'
import { type Volume, findVolume } from './volumes.ts'

/** A hypervisor that has everything for a machine. */
export interface Place {
  pool: Pool
  /** What the machine's disk is an overlay of. */
  disk: { path: string; format: DiskFormat; capacityBytes: number }
  boot?: DirectBoot | undefined
  user: string
}

/** Below this not even a small build or a first boot gets through; how much more is needed shows later. */
const leastBytes = { build: 1024 ** 3, verify: 128 * 1024 ** 2 } as const

/**
 * Finds where the machine of a lease can run: where it was rented before, the one hypervisor with the image, or among
 * those with the base disk the one with the fewest machines of ours. Throws the first reason when none can.
 */
export async function findPlace(
  settings: LibvirtSettings,
  spec: BuilderSpec,
  leaseId: string,
  ctx: Context,
): Promise<Place> {
  const wanted = spec.image?.region ?? ((await recordedRegion(settings, leaseId)) || undefined)
  const candidates = settings.hypervisors.filter(({ region }) => wanted === undefined || region === wanted)
  const usable: { place: Place; load: number }[] = []
  const failures: FactoryError[] = []
  const look = async (hypervisor: Hypervisor) => {
    try {
      const place = await lookAt(settings, hypervisor, spec, ctx)
      usable.push({ place, load: (await machineNames(hypervisor, ctx)).length })
    } catch (error) {
      ctx.signal.throwIfAborted()
      failures.push(asFactoryError(error))
    }
  }
  await Promise.all(candidates.map(look))
  const order = usable.toSorted((a, b) => a.load - b.load || rank(a.place, leaseId) - rank(b.place, leaseId))
  if (order[0]) return order[0].place
  throw failures[0] ?? regionGone(settings, wanted)
}

async function lookAt(
  settings: LibvirtSettings,
  hypervisor: Hypervisor,
  spec: BuilderSpec,
  ctx: Context,
): Promise<Place> {
  const pool = await openPool(hypervisor, builderPoolName(settings), ctx)
  assertSpace(pool, leastBytes[spec.purpose], 'a machine')
  const { image, arch } = spec
  if (image) {
    const { id: path, format, sizeBytes: capacityBytes } = image
    return { pool, disk: { path, format, capacityBytes }, user: 'root' }
  }
  const key = `clouds.${settings.name}.base.${arch}`
  const base = settings.configuration.base[arch]
  if (!base) throw noBase(key, arch)
  const { path, format, capacityBytes } = await requireVolume(pool, base.volume, `${key}.volume`, ctx)
  if (format !== 'raw' && format !== 'qcow2') throw wrongFormat(pool, base.volume, format)
  const boot = await directBoot(pool, base, key, ctx)
  return { pool, disk: { path, format, capacityBytes }, boot, user: base.user }
}

async function directBoot(
  pool: Pool,
  base: LibvirtBase,
  key: string,
  ctx: Context,
): Promise<DirectBoot | undefined> {
  if (base.kernel === undefined) return undefined
  const pathOf = async (file: string, part: string) =>
    file.startsWith('/') ? file : (await requireVolume(pool, file, `${key}.${part}`, ctx)).path
  const kernel = await pathOf(base.kernel, 'kernel')
  const initrd = base.initrd === undefined ? undefined : await pathOf(base.initrd, 'initrd')
  return { kernel, initrd, arguments: base.kernelArguments }
}

async function requireVolume(pool: Pool, name: string, key: string, ctx: Context): Promise<Volume> {
  const volume = await findVolume(pool, name, ctx)
  if (volume) return volume
  const { uri } = pool.hypervisor
  throw new FactoryError({
    code: 'base-volume-missing',
    message: `${key} of the configuration names ${name}, and the pool ${pool.name} on ${uri} has no such volume`,
    hint: `See what there is: virsh -c '${uri}' vol-list ${pool.name}   (docs/clouds/libvirt.md says how to put one there)`,
    class: 'user',
  })
}

function noBase(key: string, arch: string): FactoryError {
  return new FactoryError({
    code: 'base-not-configured',
    message: `${key} is not in the configuration, so this cloud rents no ${arch} machines`,
    hint: `Add ${key}.volume, or name another cloud under builders.${arch}.`,
    class: 'user',
  })
}

function wrongFormat(pool: Pool, volume: string, format: string): FactoryError {
  return new FactoryError({
    code: 'base-volume-format',
    message: `the base volume ${volume} in the pool ${pool.name} on ${pool.hypervisor.uri} is ${format}, neither raw nor qcow2`,
    hint: `Convert it: qemu-img convert -O qcow2 ${volume} ${volume}.qcow2`,
    class: 'user',
  })
}

function regionGone(settings: LibvirtSettings, region: string | undefined): FactoryError {
  return new FactoryError({
    code: 'hypervisor-not-configured',
    message: `clouds.${settings.name}.uri of the configuration no longer names the hypervisor ${region}`,
    hint: `Put it back until the release is done. It names: ${settings.hypervisors.map(({ uri }) => uri).join(', ')}`,
    class: 'user',
  })
}

/** Spreads leases over equally loaded hypervisors, the same lease always to the same one. */
function rank(place: Place, leaseId: string): number {
  return createHash('sha256').update(`${leaseId} ${place.pool.hypervisor.region}`).digest().readUInt32BE()
}
