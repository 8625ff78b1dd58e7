import type { ArchitectureName } from '#arch/index.ts'
import { type Price, type Rate, byTheHour, times } from '#src/cost.ts'
import { wantedProfiles } from './builders/profiles.ts'
import type { IbmConfiguration } from './config.ts'

const gigabyte = 1e9

type Prices = IbmConfiguration['prices']

/** What a machine may be rented as, with its hour. */
export function machineRates(configuration: IbmConfiguration, arch: ArchitectureName): Rate[] {
  return wantedProfiles(configuration, arch).map((profile) => machineRate(configuration, profile))
}

/** The hour of a machine without its volumes and its address. */
export function machineRate({ prices }: Pick<IbmConfiguration, 'prices'>, profile: string): Rate {
  return rate(profile, priced(prices, prices.machineHour[profile]))
}

/** The hours of what comes with a machine: its volumes, without their size (GB) when the record of its lease is lost, and a floating IP where it has one. */
export function besideRates({ prices, address }: IbmConfiguration, volumesGb: number | undefined): Rate[] {
  const month = priced(prices, prices.volumeGbMonth)
  const volumes =
    volumesGb === undefined
      ? rate('volumes of unknown size', undefined)
      : rate(`volumes of ${volumesGb} GB`, month && byTheHour(times(month, volumesGb)))
  return address === 'public'
    ? [volumes, rate('a floating IP', priced(prices, prices.addressHour))]
    : [volumes]
}

/** The month of an image. VPC counts the file that was imported, rounded up to whole GB. */
export function imageRate({ prices }: Pick<IbmConfiguration, 'prices'>, storedBytes: number): Rate {
  const storedGb = Math.max(1, Math.ceil(storedBytes / gigabyte))
  const month = priced(prices, prices.imageGbMonth)
  return rate(`an image of ${storedGb} GB`, month && times(month, storedGb))
}

function priced({ currency }: Prices, amount: number | undefined): Price | undefined {
  return amount === undefined ? undefined : { amount, currency }
}

function rate(what: string, price: Price | undefined): Rate {
  return price === undefined ? { what } : { what, price }
}
