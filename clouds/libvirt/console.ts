import { stripVTControlCharacters } from 'node:util'
import type { Context } from '#src/context.ts'
import { leaseNames } from './lease-names.ts'
import { openPool } from './pools.ts'
import { type LibvirtSettings, builderPoolName } from './settings.ts'
import { findVolume, readSmallVolume } from './volumes.ts'

const maxBytes = 16 * 1024

/**
 * The last text on the console of a machine, also of one that has ended but was not given back. What a guest writes
 * is not to be trusted: escape sequences and control characters are taken out.
 */
export async function lastConsoleText(
  settings: LibvirtSettings,
  leaseId: string,
  ctx: Context,
): Promise<string | undefined> {
  const name = leaseNames(leaseId).console
  for (const hypervisor of settings.hypervisors) {
    const pool = await openPool(hypervisor, builderPoolName(settings), ctx).catch(() => undefined)
    const volume = pool && (await findVolume(pool, name, ctx))
    if (!volume) continue
    const range = { offset: Math.max(0, volume.capacityBytes - maxBytes), maxBytes }
    const text = await readSmallVolume(pool, name, range, ctx)
    return text === undefined ? undefined : printable(text)
  }
  return undefined
}

function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll('\r', '')
    .replaceAll(/[^\P{Cc}\n\t]/gu, '')
    .trimEnd()
}
