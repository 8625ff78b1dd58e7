import { z } from 'zod'
import { architectureNames } from '#arch/index.ts'
import { parseDuration } from '#src/units.ts'
import { refuseContradictions } from './contradictions.ts'
import { endpoints } from './endpoints.ts'
import { priceTable, profileName } from './price-table.ts'

/** The architectures that VPC has machines of. */
export const ibmArchitectures = ['x86_64', 's390x'] as const

const region = z.string().regex(/^[a-z]{2}-[a-z]+$/, 'is no IBM Cloud region, like eu-es')
const identifier = (what: string) =>
  z
    .string()
    .regex(/^[a-z0-9]{4}-[0-9a-f-]{36}$/, `is no id of a ${what}, like 02d7-6b1d5e3c-… or r050-6b1d5e3c-…`)
const file = z.string().regex(/^(\/|~\/)./, 'is no path that begins with / or ~/')
const duration = z
  .string()
  .refine((text) => (parseDuration(text) ?? 0) > 0, 'is no duration: write a number and h or d, like "90d"')

/** A list for `region`, or one list a region. */
function byRegion<T extends z.ZodType>(element: T) {
  return z.union([z.array(element), z.record(region, z.array(element))]).default([])
}

/** A map by architecture, with the words for the architectures that VPC has no machines of. */
function byArchitecture<T extends z.ZodType>(value: T) {
  return z.partialRecord(z.enum(ibmArchitectures), value, {
    error: (issue: z.core.$ZodRawIssue) => {
      const others = issue.code === 'unrecognized_keys' ? issue.keys : []
      const known = others.length > 0 && others.every((key) => architectureNames.some((name) => name === key))
      return known ? `IBM Cloud VPC has no ${others.join(' and no ')} machines` : undefined
    },
  })
}

const base = z.strictObject({
  image: z.string().min(1).describe('The image that builders start from, by name or id.'),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]*$/, 'is no user name')
    .default('root')
    .describe('Who logs in to builders. Anybody but root gets sudo without a password.'),
})

const bucket = z.strictObject({
  name: z
    .string()
    .regex(
      /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
      'is no bucket name: 3 to 63 lower-case letters, digits, dots and dashes',
    )
    .describe('A bucket of Cloud Object Storage that images pass through.'),
  region: region.describe('Where the bucket is; images of every region are made from the one object in it.'),
  keysFile: file
    .optional()
    .describe(
      'A file with HMAC keys, as `ibmcloud resource service-key … --output JSON` prints them; by default IBMCLOUD_COS_ACCESS_KEY_ID and IBMCLOUD_COS_SECRET_ACCESS_KEY in the environment.',
    ),
})

const keys = z.strictObject({
  kind: z.literal('ibm').describe('IBM Cloud: machines and custom images of VPC.'),
  region: region.describe('Where builders are rented and images are made.'),
  copyTo: z.array(region).default([]).describe('Further regions that get every image, from the same object.'),
  apiKeyFile: file
    .optional()
    .describe(
      'A file with the API key, plain or as `ibmcloud iam api-key-create --file` writes it; by default IBMCLOUD_API_KEY in the environment.',
    ),
  resourceGroup: z
    .string()
    .min(1)
    .optional()
    .describe('Name or id of the resource group that everything is made in; by default the account’s own.'),
  bucket: bucket.optional().describe('Where images pass through on their way; needed to publish.'),
  operatingSystem: byArchitecture(
    z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, 'is no name of an operating system'),
  )
    .default({})
    .describe(
      'What IBM shall take images for, by architecture, like red-9-amd64-byol; needed to publish. factory doctor lists what there is.',
    ),
  base: byArchitecture(base)
    .default({})
    .describe('What builders start from, by architecture. Without one this cloud rents no builders of it.'),
  profiles: byArchitecture(z.array(profileName).min(1, 'names no instance profile'))
    .default({})
    .describe(
      'Instance profiles by architecture, the preferred one first; the next one is asked for when there are none.',
    ),
  subnets: byRegion(identifier('subnet')).describe(
    'Subnets for machines, the preferred one first, each in its zone: a list for `region`, or one list a region. Needed for machines.',
  ),
  securityGroups: byRegion(identifier('security group')).describe(
    'Security groups for machines, which must let SSH in: a list for `region`, or one list a region. By default that of the VPC.',
  ),
  address: z
    .enum(['public', 'private'])
    .default('public')
    .describe(
      '`public` reserves a floating IP for every machine and gives it back; `private` uses the one in the subnet.',
    ),
  jump: z
    .string()
    .regex(/^([a-z_][a-z0-9_-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?$/, 'is no [user@]host[:port]')
    .optional()
    .describe('An SSH jump host; its key must be in ~/.ssh/known_hosts. No agent is ever forwarded.'),
  volumeProfile: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'is no volume profile')
    .default('general-purpose')
    .describe('The profile of the volumes of machines.'),
  maxBuilders: z.int().min(1).default(4).describe('At most this many machines at once, over all regions.'),
  deprecateAfter: duration
    .optional()
    .describe('Images are deprecated this long after they were made, like `90d`.'),
  obsoleteAfter: duration
    .optional()
    .describe(
      'Images are obsolete this long after they were made: no machine can be started from them then.',
    ),
  tags: z
    .array(
      z
        .string()
        .regex(
          /^(?!factory-)[a-z0-9_. -]{1,100}(:[a-z0-9_. -]{1,26})?$/,
          'is no user tag: lower-case letters, digits, spaces and _.- with at most one colon, not beginning with factory-',
        ),
    )
    .default([])
    .describe('More user tags for everything that is made, like `team:copr`.'),
  endpoints,
  prices: priceTable,
})

/** What `clouds.<name>` may say when its kind is ibm; docs/clouds/ibm.md shows it at work. */
export const ibmConfiguration = keys.superRefine(refuseContradictions)

export type IbmConfiguration = z.infer<typeof keys>
export type IbmBase = z.infer<typeof base>
export type IbmArchitecture = (typeof ibmArchitectures)[number]

/** What stands for a region in a setting that may be a list for the main region only. */
export function forRegion<T>(
  configuration: IbmConfiguration,
  setting: readonly T[] | Readonly<Record<string, readonly T[]>>,
  name: string,
): readonly T[] {
  if (!Array.isArray(setting)) return (setting as Readonly<Record<string, readonly T[]>>)[name] ?? []
  return name === configuration.region ? (setting as readonly T[]) : []
}
