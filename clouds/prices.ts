import { z } from 'zod'

/** A price in a price table of any cloud. The limit keeps sums finite; no hour of a machine costs a million. */
export const priceAmount = z
  .number()
  .positive('is no price: it must be more than 0; what has no price is left out')
  .max(1_000_000, 'is no price: it must be at most 1000000')

/** The currency of a price table. */
export const priceCurrency = z
  .string()
  .refine(
    (text) => Intl.supportedValuesOf('currency').includes(text),
    'is no currency: write its ISO 4217 code, like USD or EUR',
  )
  .default('USD')
