import { z } from 'zod'
import { priceAmount, priceCurrency } from '#clouds/prices.ts'

/** What the cloud asks for what a release uses. Many ask for nothing, so without it nothing is counted or named as missing. */
export const priceTable = z
  .strictObject({
    currency: priceCurrency.describe('The currency of all prices here, as an ISO 4217 code.'),
    machineHour: z
      .record(z.string(), priceAmount)
      .default({})
      .describe('What an hour of a machine costs, by flavor as `flavors` names it.'),
    volumeGibMonth: priceAmount.optional().describe('What a GiB of a volume costs a month.'),
    addressHour: priceAmount.optional().describe('What an hour of a floating IP costs.'),
    imageGibMonth: priceAmount.optional().describe('What a GiB of an image costs a month.'),
  })
  .optional()
  .describe(
    'Prices for `factory plan` and release.json, where the cloud asks for money. What has none is named, and never counted as nothing.',
  )
