import { z } from 'zod'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import type { Flavor } from '../builders/flavors.ts'
import { needsVolumes } from '../builders/volumes.ts'
import { isNotFound, statusOf } from '../failures.ts'
import type { OpenstackSettings } from '../settings.ts'
import { type Look, finding, ok } from './finding.ts'

const limits = z.object({ limits: z.object({ absolute: z.record(z.string(), z.number()) }) })
const details = z.object({
  quota: z.object({ floatingip: z.object({ limit: z.number(), used: z.number() }) }),
})

/** One line of a quota: what is free of it (`Infinity` without a limit) and what one machine of each architecture needs. */
interface Line {
  what: string
  free: number
  one: number
  all: number
}

/** Whether the quotas of the project leave room for one machine of each architecture. */
export async function* lookAtQuotas(
  settings: OpenstackSettings,
  flavors: readonly Flavor[],
  ctx: Context,
): AsyncIterable<Finding> {
  if (flavors.length === 0) return
  yield await finding('quota of machines', async () => judged(await machineLines(settings, flavors, ctx)))
  if (needsVolumes(settings)) {
    yield await finding('quota of volumes', async () =>
      judged(await volumeLines(settings, flavors.length, ctx)),
    )
  }
  if (settings.configuration.floatingNetwork !== undefined) {
    yield await finding('quota of floating IPs', () => lookAtAddresses(settings, flavors.length, ctx))
  }
}

async function machineLines(
  settings: OpenstackSettings,
  flavors: readonly Flavor[],
  ctx: Context,
): Promise<Line[]> {
  const limit = await absolute(settings, 'compute', ctx)
  const line = (what: string, most: string, used: string, needs: readonly number[]): Line => ({
    what,
    free: freeOf(limit, most, used),
    one: Math.min(...needs),
    all: needs.reduce((total, each) => total + each, 0),
  })
  return [
    line(
      'servers',
      'maxTotalInstances',
      'totalInstancesUsed',
      flavors.map(() => 1),
    ),
    line(
      'processors',
      'maxTotalCores',
      'totalCoresUsed',
      flavors.map(({ vcpus }) => vcpus),
    ),
    line(
      'MiB of memory',
      'maxTotalRAMSize',
      'totalRAMUsed',
      flavors.map(({ ram }) => ram),
    ),
  ]
}

async function volumeLines(settings: OpenstackSettings, machines: number, ctx: Context): Promise<Line[]> {
  const limit = await absolute(settings, 'volume', ctx)
  const { dataDisk, rootVolume } = settings.configuration
  const one = (dataDisk === 'volume' ? 1 : 0) + (rootVolume === undefined ? 0 : 1)
  return [
    { what: 'volumes', free: freeOf(limit, 'maxTotalVolumes', 'totalVolumesUsed'), one, all: one * machines },
    {
      what: 'GiB',
      free: freeOf(limit, 'maxTotalVolumeGigabytes', 'totalGigabytesUsed'),
      one: 1,
      all: machines,
    },
  ]
}

async function lookAtAddresses(
  { session, configuration }: OpenstackSettings,
  machines: number,
  ctx: Context,
): Promise<Look> {
  const { region } = configuration
  const { project } = await session.token(ctx)
  const path = `/quotas/${project.id}/details.json`
  try {
    const request = { service: 'network', region, what: 'asking for quotas', path } as const
    const { limit, used } = (await session.json(request, details, ctx)).quota.floatingip
    const free = limit < 0 ? Number.POSITIVE_INFINITY : limit - used
    return judged([{ what: 'floating IPs', free, one: 1, all: machines }])
  } catch (error) {
    if (!isNotFound(error) && statusOf(error) !== 403) throw error
    return ok('Neutron tells of none')
  }
}

function judged(lines: readonly Line[]): Look {
  const message = lines
    .map(
      ({ what, free, all }) =>
        `${free === Number.POSITIVE_INFINITY ? 'any number of' : free} ${what} free, ${all} needed`,
    )
    .join('; ')
  if (lines.every(({ free, all }) => free >= all)) return ok(message)
  const hint =
    'Remove what is not needed (factory reap), or ask who runs the cloud for more; with less, builds of architectures wait for each other.'
  const someFits = lines.every(({ free, one }) => free >= one)
  return { severity: someFits ? 'warning' : 'error', message, hint }
}

async function absolute(
  { session, configuration: { region } }: OpenstackSettings,
  service: 'compute' | 'volume',
  ctx: Context,
): Promise<Record<string, number>> {
  const request = { service, region, what: 'asking for limits', path: '/limits' } as const
  return (await session.json(request, limits, ctx)).limits.absolute
}

/** A limit below zero is none; so is one that is not told. */
function freeOf(limit: Record<string, number>, most: string, used: string): number {
  const all = limit[most] ?? -1
  return all < 0 ? Number.POSITIVE_INFINITY : all - (limit[used] ?? 0)
}
