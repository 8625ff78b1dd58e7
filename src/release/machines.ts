import type { ArchitectureName } from '#arch/index.ts'
import type { Configuration } from '#src/config/types.ts'
import { type Price, type Rate, dearestOf, forTime, notPriced, pricesOf } from '#src/cost.ts'
import type { PlannedDestination } from '#src/journal/records.ts'
import { formatDuration } from '#src/units.ts'
import type { CloudAbilities } from './destinations.ts'

/** Beside the boot: storage and sources. */
const prepareMs = 10 * 60_000

/** A machine that a release will rent, and for how long at most. */
export interface PlannedMachine {
  arch: ArchitectureName
  purpose: 'build' | 'verify'
  /** Names of clouds in the order in which they are tried. */
  clouds: readonly string[]
  /** The most milliseconds that one machine is needed: its steps' limits together. */
  longestMs: number
  /** `1 VM from lab, up to 4 h 00 min` */
  cost: string
  /** The most that the one machine costs in that time, of all that it may be rented as and has a price; one a currency. */
  atMost: readonly Price[]
  /** In words, what it may be rented as and has no price. */
  notPriced: readonly string[]
}

/** What a plan costs in machine time: one builder for each build, one machine for each image that is booted. */
export function machinesFor(
  configuration: Configuration,
  clouds: CloudAbilities,
  work: {
    builds: readonly { arch: ArchitectureName; needed: boolean }[]
    unpublished: readonly PlannedDestination[]
  },
): PlannedMachine[] {
  const { build, disk, collect, boot } = configuration.limits
  const longestBuildMs = boot + prepareMs + 2 * build + disk + collect
  const builders = work.builds
    .filter(({ needed }) => needed)
    .map(({ arch }) => {
      const names = configuration.builders[arch] ?? []
      const offering = names.filter((name) => clouds.get(name)?.builders?.offers(arch).ok === true)
      return machine(arch, 'build', waysFrom(clouds, offering, arch), longestBuildMs)
    })
  const verifiers = work.unpublished
    .filter(({ cloud, verify }) => verify && clouds.get(cloud)?.builders !== undefined)
    .map(({ arch, cloud, region }) => machine(arch, 'verify', waysFrom(clouds, [cloud], arch, region), boot))
  return [...builders, ...verifiers]
}

/** What a cloud may rent a machine as; undefined where its machines have no prices. */
interface Ways {
  cloud: string
  rates: readonly Rate[] | undefined
}

function waysFrom(
  clouds: CloudAbilities,
  names: readonly string[],
  arch: ArchitectureName,
  region?: string,
): Ways[] {
  return names.map((cloud) => ({ cloud, rates: clouds.get(cloud)?.builders?.rates?.(arch, region) }))
}

function machine(
  arch: ArchitectureName,
  purpose: PlannedMachine['purpose'],
  ways: readonly Ways[],
  longestMs: number,
): PlannedMachine {
  const clouds = ways.map(({ cloud }) => cloud)
  const [first = 'nowhere', ...others] = clouds
  const instead = others.length === 0 ? '' : ` (else ${others.join(', ')})`
  const task = purpose === 'verify' ? ' to boot the image' : ''
  const again = ', and once more if it is lost'
  return {
    arch,
    purpose,
    clouds,
    longestMs,
    cost: `1 VM from ${first}${instead}${task}, up to ${formatDuration(longestMs)}${again}`,
    atMost: dearestOf(ways.flatMap(({ rates }) => pricesOf(rates)).map((hour) => forTime(hour, longestMs))),
    notPriced: ways.flatMap(({ cloud, rates }) => notPriced(cloud, rates, 'machines')),
  }
}
