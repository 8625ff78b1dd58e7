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
  /** Where the image lies that is booted; builders are rented wherever their cloud has them. */
  region?: string
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
      return builder(arch, waysFrom(clouds, offering, arch), longestBuildMs)
    })
  const verifiers = work.unpublished
    .filter(({ cloud, verify }) => verify && clouds.get(cloud)?.builders !== undefined)
    .map((destination) => {
      const { arch, cloud, region } = destination
      return verifier(destination, waysFrom(clouds, [cloud], arch, region), boot)
    })
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

function builder(arch: ArchitectureName, ways: readonly Ways[], longestMs: number): PlannedMachine {
  const [first = 'nowhere', ...others] = ways.map(({ cloud }) => cloud)
  const instead = others.length === 0 ? '' : ` (else ${others.join(', ')})`
  return { arch, purpose: 'build', ...machine(`${first}${instead}`, ways, longestMs) }
}

function verifier(
  { arch, cloud, region }: PlannedDestination,
  ways: readonly Ways[],
  longestMs: number,
): PlannedMachine {
  const where = `${cloud}/${region} to boot the image`
  return { arch, purpose: 'verify', region, ...machine(where, ways, longestMs) }
}

function machine(where: string, ways: readonly Ways[], longestMs: number) {
  return {
    clouds: ways.map(({ cloud }) => cloud),
    longestMs,
    cost: `1 VM from ${where}, up to ${formatDuration(longestMs)}, and once more if it is lost`,
    atMost: dearestOf(ways.flatMap(({ rates }) => pricesOf(rates)).map((hour) => forTime(hour, longestMs))),
    notPriced: ways.flatMap(({ cloud, rates }) => notPriced(cloud, rates, 'machines')),
  }
}
