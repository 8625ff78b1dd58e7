import { z } from 'zod'
import { priceAmount, priceCurrency } from '#clouds/prices.ts'

/** The name of an instance type, as EC2 writes them. */
export const instanceType = z
  .string()
  .regex(/^[a-z0-9-]+\.[a-z0-9-]+$/, 'is no instance type, like m7i.xlarge')

/** What AWS asks for what a release uses. None is built in: they change, and differ by region and contract. */
export const priceTable = z
  .strictObject({
    currency: priceCurrency.describe('The currency of all prices here, as an ISO 4217 code.'),
    machineHour: z
      .record(instanceType, priceAmount)
      .default({})
      .describe('What an hour of an on-demand machine costs, by instance type.'),
    spotHour: z
      .record(instanceType, priceAmount)
      .default({})
      .describe('What an hour of a spot machine costs at most, by instance type.'),
    volumeGibMonth: priceAmount
      .optional()
      .describe('What a GiB of a gp3 volume costs a month: every machine has one while it is rented.'),
    snapshotGibMonth: priceAmount.optional().describe('What a stored GiB of a snapshot costs a month.'),
  })
  .prefault({})
  .describe(
    'Prices for `factory plan` and release.json. What has none is named, and never counted as nothing.',
  )
