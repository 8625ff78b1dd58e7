import { z } from 'zod'
import { priceAmount, priceCurrency } from '#clouds/prices.ts'

/** The name of an instance profile, as IBM writes them. */
export const profileName = z
  .string()
  .regex(/^[a-z0-9]+[a-z0-9.-]*-\d+x\d+(x\d+\w*)?$/, 'is no instance profile, like bx2-2x8')

/** What IBM asks for what a release uses. None is built in: they change, and differ by region and contract. */
export const priceTable = z
  .strictObject({
    currency: priceCurrency.describe('The currency of all prices here, as an ISO 4217 code.'),
    machineHour: z
      .record(profileName, priceAmount)
      .default({})
      .describe('What an hour of a machine costs, by instance profile.'),
    volumeGbMonth: priceAmount
      .optional()
      .describe(
        'What a GB of a volume costs a month: every machine has a boot volume, builders one for data too.',
      ),
    addressHour: priceAmount
      .optional()
      .describe('What an hour of a floating IP costs, where `address` is `public`.'),
    imageGbMonth: priceAmount.optional().describe('What a stored GB of a custom image costs a month.'),
  })
  .prefault({})
  .describe(
    'Prices for `factory plan` and release.json. What has none is named, and never counted as nothing.',
  )
