import type { ArchitectureName } from '#arch/index.ts'
import { type Price, type Rate, byTheHour, times } from '#src/cost.ts'
import { formatBytes } from '#src/units.ts'
import { type Attempt, attemptsFor } from './builders/attempts.ts'
import { wantedTypes } from './builders/instance-types.ts'
import type { AwsConfiguration } from './config.ts'

const gibibyte = 1024 ** 3

/** Every way that a machine may be rented in, with its hour; a superset of what the region turns out to have. */
export function machineRates(
  configuration: AwsConfiguration,
  arch: ArchitectureName,
  region = configuration.region,
): Rate[] {
  const ways = attemptsFor(configuration, region, wantedTypes(configuration, arch))
  const rates = ways.map((way) => machineRate(configuration, way))
  return [...new Map(rates.map((rate) => [rate.what, rate])).values()]
}

/** The hour of a machine without its volume. */
export function machineRate(
  { prices }: AwsConfiguration,
  { instanceType, spot }: Pick<Attempt, 'instanceType' | 'spot'>,
): Rate {
  const table = spot ? prices.spotHour : prices.machineHour
  return rate(`${instanceType}${spot ? ' (spot)' : ''}`, priced(prices, table[instanceType]))
}

/** The hour of a root volume; without its size (GiB) when the record of its lease is lost. */
export function volumeRate({ prices }: AwsConfiguration, sizeGib: number | undefined): Rate {
  if (sizeGib === undefined) return rate('a volume of unknown size', undefined)
  const month = priced(prices, prices.volumeGibMonth)
  return rate(`a volume of ${sizeGib} GiB`, month && byTheHour(times(month, sizeGib)))
}

/** The month of an image. A snapshot is paid for by the blocks that hold anything: about what was sent. */
export function snapshotRate({ prices }: AwsConfiguration, storedBytes: number): Rate {
  const month = priced(prices, prices.snapshotGibMonth)
  return rate(`a snapshot of ${formatBytes(storedBytes)}`, month && times(month, storedBytes / gibibyte))
}

function priced({ currency }: AwsConfiguration['prices'], amount: number | undefined): Price | undefined {
  return amount === undefined ? undefined : { amount, currency }
}

function rate(what: string, price: Price | undefined): Rate {
  return price === undefined ? { what } : { what, price }
}
