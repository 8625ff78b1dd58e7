import type { ArchitectureName } from '#arch/index.ts'
import { type Price, type Rate, byTheHour, times } from '#src/cost.ts'
import { formatBytes } from '#src/units.ts'
import type { OpenstackConfiguration } from './config.ts'

export type Prices = NonNullable<OpenstackConfiguration['prices']>

const gibibyte = 1024 ** 3

/** Every flavor that a machine may be rented as, with its hour. */
export function machineRates(
  { flavors }: OpenstackConfiguration,
  prices: Prices,
  arch: ArchitectureName,
): Rate[] {
  return (flavors[arch] ?? []).map((flavor) => machineRate(prices, flavor))
}

/** The hour of a machine without its volumes. */
export function machineRate(prices: Prices, flavor: string): Rate {
  return rate(flavor, priced(prices, prices.machineHour[flavor]))
}

/** The hour of volumes of so many GiB together. */
export function volumeRate(prices: Prices, sizeGib: number): Rate {
  const month = priced(prices, prices.volumeGibMonth)
  return rate(`a volume of ${sizeGib} GiB`, month && byTheHour(times(month, sizeGib)))
}

export function addressRate(prices: Prices): Rate {
  return rate('a floating IP', priced(prices, prices.addressHour))
}

/** The month of an image. */
export function imageRate(prices: Prices, storedBytes: number): Rate {
  const month = priced(prices, prices.imageGibMonth)
  return rate(`an image of ${formatBytes(storedBytes)}`, month && times(month, storedBytes / gibibyte))
}

function priced({ currency }: Prices, amount: number | undefined): Price | undefined {
  return amount === undefined ? undefined : { amount, currency }
}

function rate(what: string, price: Price | undefined): Rate {
  return price === undefined ? { what } : { what, price }
}
