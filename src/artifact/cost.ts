import { z } from 'zod'

/** ISO 4217. Amounts are rounded to a millionth. */
const price = z.strictObject({ amount: z.number(), currency: z.string() })

/** What one architecture of a release cost until release.json was written; taxes and traffic are nobody's to know here. */
export const releaseCost = z.strictObject({
  machines: z.array(
    z.strictObject({
      purpose: z.enum(['build', 'verify']),
      cloud: z.string(),
      /** The cloud's name for it. */
      machine: z.string(),
      /** From when it was asked for until it was given back, or its lease ended. */
      seconds: z.number(),
      /** Absent once it was given back. */
      'still-rented': z.literal(true).optional(),
      /** What it was and what came with it; without `hour` and `amount` where there was no price. */
      rates: z.array(z.strictObject({ what: z.string(), hour: price.optional(), amount: price.optional() })),
    }),
  ),
  storage: z.array(
    z.strictObject({ cloud: z.string(), region: z.string(), what: z.string(), month: price.optional() }),
  ),
  /** Sums of what has a price, one a currency. */
  'machines-total': z.array(price),
  'storage-month': z.array(price),
  /** In words, what is in neither sum. */
  'not-counted': z.array(z.string()),
})

export type ReleaseCost = z.infer<typeof releaseCost>
