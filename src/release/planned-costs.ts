import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import { type Price, notPriced, pricesOf, sumOf } from '#src/cost.ts'
import type { PlannedDestination } from '#src/journal/records.ts'
import type { CloudAbilities } from './destinations.ts'
import type { PlannedMachine } from './machines.ts'

/** Bytes of content of the newest known image of an architecture; undefined before there is one. */
export type ContentBytes = (arch: ArchitectureName, format: DiskFormat) => number | undefined

/** What a release costs, as far as a plan can know; one amount a currency. */
export interface PlannedCosts {
  /** The most that all machines cost together, without their volumes and with none of them replaced. */
  machines: readonly Price[]
  /** About what the images cost a month. */
  storageMonth: readonly Price[]
  /** In words, what is in neither sum. */
  notCounted: readonly string[]
}

/** Adds up what a plan costs; undefined when no cloud of it has prices. */
export function plannedCosts(
  clouds: CloudAbilities,
  machines: readonly PlannedMachine[],
  destinations: readonly PlannedDestination[],
  contentBytes: ContentBytes,
): PlannedCosts | undefined {
  const names = [...machines.flatMap((machine) => machine.clouds), ...destinations.map(({ cloud }) => cloud)]
  if (!names.some((name) => clouds.get(name)?.builders?.rates ?? clouds.get(name)?.images?.rate))
    return undefined
  const stored = destinations.map((destination) => storageOf(destination, clouds, contentBytes))
  return {
    machines: sumOf(machines.flatMap(({ atMost }) => atMost)),
    storageMonth: sumOf(stored.flatMap(({ month }) => month)),
    notCounted: [...new Set([...machines, ...stored].flatMap((each) => each.notPriced))],
  }
}

function storageOf(
  { cloud, region, arch, format }: PlannedDestination,
  clouds: CloudAbilities,
  contentBytes: ContentBytes,
): { month: Price[]; notPriced: string[] } {
  const images = clouds.get(cloud)?.images
  const bytes = contentBytes(arch, format)
  if (images?.rate && bytes === undefined) {
    return { month: [], notPriced: [`the ${arch} image, whose size is not known before its first build`] }
  }
  const rates = images?.rate && [images.rate(region, bytes ?? 0)]
  return { month: pricesOf(rates), notPriced: notPriced(cloud, rates, 'images') }
}
