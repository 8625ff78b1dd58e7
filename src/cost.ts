/** An amount of money; the currency is an ISO 4217 code. */
export interface Price {
  readonly amount: number
  readonly currency: string
}

/** Something that is paid for by time: what is rented by the hour, what is stored by the month. */
export interface Rate {
  /** For people, after "no price for": `m5.large (spot)`, `a volume of 35 GiB`. */
  readonly what: string
  /** Absent when the configuration has none: that is said, and never counted as nothing. */
  readonly price?: Price | undefined
}

/** The month by which clouds turn prices a month into prices an hour: a twelfth of 365 days. */
const hoursOfMonth = 730
const hourMs = 3_600_000

export function times({ amount, currency }: Price, factor: number): Price {
  return { amount: amount * factor, currency }
}

/** What a price an hour comes to in some milliseconds; machines are paid for by the second. */
export function forTime(hour: Price, durationMs: number): Price {
  return times(hour, durationMs / hourMs)
}

/** A price a month, by the hour. */
export function byTheHour(month: Price): Price {
  return times(month, 1 / hoursOfMonth)
}

/** One sum a currency: nobody here knows what one is worth in the other. Rounded at the end only. */
export function sumOf(prices: readonly Price[]): Price[] {
  const currencies = [...Map.groupBy(prices, ({ currency }) => currency)]
  return currencies.map(([currency, own]) =>
    rounded({ currency, amount: own.reduce((sum, { amount }) => sum + amount, 0) }),
  )
}

/** The highest of each currency. */
export function dearestOf(prices: readonly Price[]): Price[] {
  const currencies = [...Map.groupBy(prices, ({ currency }) => currency)]
  return currencies.map(([currency, own]) =>
    rounded({ currency, amount: Math.max(...own.map(({ amount }) => amount)) }),
  )
}

/** To a millionth, for files. */
export function rounded({ amount, currency }: Price): Price {
  return { amount: Number(amount.toFixed(6)), currency }
}

/** For people, up to the next hundredth, so that nothing that costs looks as if it did not: `1.56 USD`. */
export function formatPrices(prices: readonly Price[]): string {
  return prices
    .map(
      ({ amount, currency }) =>
        `${(Math.ceil(Number((amount * 100).toFixed(4))) / 100).toFixed(2)} ${currency}`,
    )
    .join(' and ')
}

/** In words, what of these has no price; where a cloud knows of no rates at all, that its `things` have none. */
export function notPriced(cloud: string, rates: readonly Rate[] | undefined, things: string): string[] {
  if (rates === undefined) return [`${cloud} has no prices for ${things}`]
  const without = rates.filter(({ price }) => price === undefined).map(({ what }) => what)
  return without.length === 0 ? [] : [`no price for ${without.join(', ')} in clouds.${cloud}.prices`]
}

/** Those of the rates that have one. */
export function pricesOf(rates: readonly Rate[] | undefined): Price[] {
  return (rates ?? []).flatMap(({ price }) => price ?? [])
}
