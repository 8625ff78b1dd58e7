import { randomUUID } from 'node:crypto'
import type { BuilderSpec, Lease } from '#clouds/types.ts'
import { noCloudSeed } from '#src/builder/seed.ts'
import type { Context } from '#src/context.ts'
import { parseBytes } from '#src/units.ts'
import { chooseAccelerator } from './accelerator.ts'
import type { DomainDefinition, DomainDisk } from './domain.ts'
import { createFirmwareState } from './firmware-state.ts'
import { marksOf, marksToJson, marksToXml } from './lease-marks.ts'
import { leaseNames } from './lease-names.ts'
import type { Place } from './placement.ts'
import { isPortTaken, pickPort } from './port.ts'
import { createSeedVolume } from './seed-volume.ts'
import type { LibvirtSettings } from './settings.ts'
import { startMachine } from './start-machine.ts'
import { createVolume, writeSmallVolume } from './volumes.ts'
import type { WatchPace } from './watchdog.ts'

const portTries = 8

/** Makes everything of a lease at a place where nothing of it is, marks first, and returns the port where SSH will answer. */
export async function rent(
  settings: LibvirtSettings,
  place: Place,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<number> {
  const { pool, boot } = place
  const { configuration } = settings
  const accelerator = await chooseAccelerator(settings, pool, lease.arch, ctx)
  const names = leaseNames(lease.id)
  const marks = marksOf(lease, spec.purpose)
  ctx.emit({ message: `making the disks of ${names.domain} on ${pool.hypervisor.uri}` })
  await writeSmallVolume(pool, names.marks, marksToJson(marks), ctx)
  const disks = await createDisks(place, spec, lease, ctx)
  const firmwareStatePath = boot
    ? undefined
    : await createFirmwareState(pool, names.firmwareState, lease.arch, ctx)
  await createVolume(pool, { name: names.console, capacityBytes: 0, format: 'raw' }, ctx)

  const how = accelerator.type === 'kvm' ? 'KVM' : `emulated: ${accelerator.reason}`
  ctx.emit({ message: `starting ${names.domain} on ${pool.hypervisor.uri} (${how})` })
  return await startOnFreePort(place, settings.watchPace, ctx, (port) => ({
    name: names.domain,
    uuid: randomUUID(),
    arch: lease.arch,
    type: accelerator.type,
    cpus: configuration.cpus,
    memoryBytes: parseBytes(configuration.memory) ?? 0,
    metadata: marksToXml(marks, port),
    disks,
    boot,
    firmwareStatePath,
    consolePath: `${pool.path}/${names.console}`,
    // A builder that restarts has crashed and lost its work; an image may want to restart in its first boot.
    restartable: spec.purpose === 'verify',
    port,
  }))
}

async function createDisks(
  place: Place,
  spec: BuilderSpec,
  lease: Lease,
  ctx: Context,
): Promise<DomainDisk[]> {
  const { pool, disk, user } = place
  const names = leaseNames(lease.id)
  const backing = { path: disk.path, format: disk.format }
  const overlay = { name: names.disk, capacityBytes: disk.capacityBytes, format: 'qcow2', backing } as const
  const root = await createVolume(pool, overlay, ctx)
  const { access, leaseMs, dataBytes } = spec
  const seed = await noCloudSeed({ access, user, leaseMs, instanceId: names.domain })
  const seedPath = await createSeedVolume(pool, names.seed, seed, ctx)
  const disks: DomainDisk[] = [
    { path: root, format: 'qcow2', serial: 'factory-root' },
    { path: seedPath, format: 'raw', serial: 'factory-seed', readOnly: true },
  ]
  if (dataBytes === 0) return disks
  const data = await createVolume(
    pool,
    { name: names.dataDisk, capacityBytes: dataBytes, format: 'raw' },
    ctx,
  )
  return [...disks, { path: data, format: 'raw', serial: 'factory-data' }]
}

async function startOnFreePort(
  { pool }: Place,
  pace: WatchPace,
  ctx: Context,
  define: (port: number) => DomainDefinition,
): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await pickPort(pool.hypervisor)
    try {
      await startMachine(pool, define(port), pace, ctx)
      return port
    } catch (error) {
      if (attempt === portTries || !isPortTaken(error)) throw error
      ctx.log(`port ${port} on ${pool.hypervisor.uri} is taken; trying another one`)
    }
  }
}
