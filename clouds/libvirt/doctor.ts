import { architectureNames } from '#arch/index.ts'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { formatBytes } from '#src/units.ts'
import { chooseAccelerator, hostArchitecture } from './accelerator.ts'
import type { Hypervisor } from './hypervisor.ts'
import { openPool } from './pools.ts'
import { machineNames } from './rented.ts'
import { type LibvirtSettings, builderPoolName } from './settings.ts'
import { findVolume } from './volumes.ts'

const littleBytes = 10 * 1024 ** 3

/** Looks at every hypervisor: connection, pools and their space, base disks, how machines run. The trial of KVM leaves nothing. */
export async function* doctor(settings: LibvirtSettings, ctx: Context): AsyncIterable<Finding> {
  const { pool, base } = settings.configuration
  for (const hypervisor of settings.hypervisors) {
    const connection = await connects(hypervisor, ctx)
    yield connection
    if (connection.severity === 'error') continue
    for (const name of new Set([pool, builderPoolName(settings)])) yield await hasSpace(hypervisor, name, ctx)
    for (const arch of architectureNames) {
      if (base[arch]) yield await hasBase(settings, hypervisor, arch, base[arch].volume, ctx)
    }
    yield await accelerates(settings, hypervisor, ctx)
  }
}

async function connects(hypervisor: Hypervisor, ctx: Context): Promise<Finding> {
  return await finding(`connection to ${hypervisor.uri}`, async () => {
    const machines = await machineNames(hypervisor, ctx)
    const there =
      machines.length === 1
        ? '1 machine of the factory is there'
        : `${machines.length} machines of the factory are there`
    return { severity: 'ok', message: `answers; ${there}` }
  })
}

async function hasSpace(hypervisor: Hypervisor, name: string, ctx: Context): Promise<Finding> {
  return await finding(`pool ${name} on ${hypervisor.uri}`, async () => {
    const { path, availableBytes, capacityBytes } = await openPool(hypervisor, name, ctx)
    const message = `${formatBytes(availableBytes)} of ${formatBytes(capacityBytes)} available in ${path}`
    if (availableBytes >= littleBytes) return { severity: 'ok', message }
    return { severity: 'warning', message, hint: `Images and builders need room: make some in ${path}.` }
  })
}

async function hasBase(
  settings: LibvirtSettings,
  hypervisor: Hypervisor,
  arch: string,
  volume: string,
  ctx: Context,
): Promise<Finding> {
  return await finding(`base disk for ${arch} on ${hypervisor.uri}`, async () => {
    const pool = await openPool(hypervisor, builderPoolName(settings), ctx)
    const found = await findVolume(pool, volume, ctx)
    if (found)
      return { severity: 'ok', message: `${volume}, ${formatBytes(found.capacityBytes)} ${found.format}` }
    return {
      severity: settings.hypervisors.length > 1 ? 'warning' : 'error',
      message: `the pool ${pool.name} has no volume ${volume}, so no ${arch} builder can be rented there`,
      hint: `Put it there as docs/clouds/libvirt.md shows, or correct clouds.${settings.name}.base.${arch}.volume.`,
    }
  })
}

async function accelerates(
  settings: LibvirtSettings,
  hypervisor: Hypervisor,
  ctx: Context,
): Promise<Finding> {
  return await finding(`accelerator of ${hypervisor.uri}`, async () => {
    const arch = await hostArchitecture(hypervisor, ctx)
    if (!arch) return { severity: 'warning', message: 'all machines are emulated, which is slow' }
    const pool = await openPool(hypervisor, builderPoolName(settings), ctx)
    const { type, reason } = await chooseAccelerator(settings, pool, arch, ctx)
    if (type === 'kvm') return { severity: 'ok', message: `KVM for ${arch}: ${reason}` }
    return { severity: 'warning', message: `${arch} machines are emulated, which is slow: ${reason}` }
  })
}

async function finding(subject: string, look: () => Promise<Omit<Finding, 'subject'>>): Promise<Finding> {
  try {
    return { subject, ...(await look()) }
  } catch (error) {
    const { message, hint } = asFactoryError(error)
    return { severity: 'error', subject, message, ...(hint === undefined ? {} : { hint }) }
  }
}
