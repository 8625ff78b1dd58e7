import type { ArchitectureName } from '#arch/index.ts'
import type { Configuration } from '#src/config/types.ts'
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
      return machine(arch, 'build', offering, longestBuildMs)
    })
  const verifiers = work.unpublished
    .filter(({ cloud, verify }) => verify && clouds.get(cloud)?.builders !== undefined)
    .map(({ arch, cloud }) => machine(arch, 'verify', [cloud], boot))
  return [...builders, ...verifiers]
}

function machine(
  arch: ArchitectureName,
  purpose: PlannedMachine['purpose'],
  clouds: readonly string[],
  longestMs: number,
): PlannedMachine {
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
  }
}
