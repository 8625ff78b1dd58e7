import { z } from 'zod'
import { architectureNames } from '#arch/index.ts'
import { parseDuration } from '#src/units.ts'
import { refuseContradictions } from './contradictions.ts'
import { instanceType, priceTable } from './price-table.ts'

/** The architectures that EC2 has machines of. */
export const awsArchitectures = ['x86_64', 'aarch64'] as const

const region = z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'is no AWS region, like us-east-1')
/** Ten years: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageDeprecation.html */
const latestDeprecation = '3650d'

const identifier = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}-[0-9a-f]{8,17}$`), `is no id like ${prefix}-0123456789abcdef0`)
const account = z.string().regex(/^\d{12}$/, 'is no account id, which is twelve digits in quotes')

/** A list for `region`, or one list a region. */
function byRegion<T extends z.ZodType>(element: T) {
  return z.union([z.array(element), z.record(region, z.array(element))]).default([])
}

/** A map by architecture, with the words for the architectures that EC2 has no machines of. */
function byArchitecture<T extends z.ZodType>(value: T) {
  return z.partialRecord(z.enum(awsArchitectures), value, {
    error: (issue: z.core.$ZodRawIssue) => {
      const others = issue.code === 'unrecognized_keys' ? issue.keys : []
      const known = others.length > 0 && others.every((key) => architectureNames.some((name) => name === key))
      return known ? `EC2 has no ${others.join(' and no ')} machines` : undefined
    },
  })
}

const base = z
  .strictObject({
    ami: identifier('ami').optional().describe('The AMI that builders start from, by id.'),
    ssm: z
      .string()
      .regex(/^\/[\w./-]+$/, 'is no parameter name, like /aws/service/…')
      .optional()
      .describe('Or a public SSM parameter that holds the id.'),
    owner: z
      .string()
      .regex(/^(\d{12}|self|amazon|aws-marketplace)$/, 'is no account id, `self` or `amazon`')
      .optional()
      .describe('Or the newest AMI of this account …'),
    name: z.string().min(3).optional().describe('… with this name; `*` and `?` stand for anything.'),
    user: z
      .string()
      .regex(/^[a-z_][a-z0-9_-]*$/, 'is no user name')
      .default('root')
      .describe('Who logs in to builders. Anybody but root gets sudo without a password.'),
  })
  .refine(
    ({ ami, ssm, owner, name }) => [ami, ssm, owner && name].filter(Boolean).length === 1 && !owner === !name,
    'needs one of: `ami`, `ssm`, or `owner` and `name` together',
  )

const keys = z.strictObject({
  kind: z.literal('aws').describe('Amazon Web Services: EC2 machines and AMIs.'),
  region: region.describe('Where builders are rented and images are made.'),
  copyTo: z.array(region).default([]).describe('Further regions that every image is copied to.'),
  profile: z
    .string()
    .min(1)
    .optional()
    .describe('A named profile of ~/.aws; by default the usual chain: environment, SSO, instance role.'),
  endpoint: z
    .url({ protocol: /^https?$/, error: 'is no address that begins with http:// or https://' })
    .optional()
    .describe('Another address for every service, for emulators and private endpoints.'),
  base: byArchitecture(base)
    .default({})
    .describe('What builders start from, by architecture. Without one this cloud rents no builders of it.'),
  instanceTypes: byArchitecture(z.array(instanceType).min(1, 'names no instance type'))
    .default({})
    .describe(
      'Instance types by architecture, the preferred one first; the next one is asked for when there are none.',
    ),
  subnets: byRegion(identifier('subnet')).describe(
    'Subnets for machines, the preferred one first: a list for `region`, or one list a region. By default the default VPC.',
  ),
  securityGroups: byRegion(identifier('sg')).describe(
    'Security groups for machines, which must let SSH in: a list for `region`, or one list a region. None is ever made.',
  ),
  spot: z
    .enum(['never', 'first'])
    .default('never')
    .describe('`first` asks for spot machines everywhere before it asks for on-demand ones.'),
  address: z
    .enum(['public', 'private'])
    .default('public')
    .describe('Which address of a machine is used to reach it.'),
  jump: z
    .string()
    .regex(/^([a-z_][a-z0-9_-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?$/, 'is no [user@]host[:port]')
    .optional()
    .describe('An SSH jump host; its key must be in ~/.ssh/known_hosts. No agent is ever forwarded.'),
  maxBuilders: z.int().min(1).default(4).describe('At most this many machines at once, over all regions.'),
  method: z
    .enum(['ebs', 's3'])
    .default('ebs')
    .describe(
      'How images get to AWS: `ebs` sends their content block by block, `s3` the whole file through `bucket`.',
    ),
  bucket: z
    .string()
    .regex(
      /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
      'is no bucket name: 3 to 63 lower-case letters, digits, dots and dashes, without s3:// before it',
    )
    .optional()
    .describe('A bucket in `region` that images pass through with `method: s3`; needed for it.'),
  importRole: z
    .string()
    .regex(/^[\w+=,.@-]{1,64}$/, 'is no name of a role: up to 64 characters, and the name, not the ARN')
    .default('vmimport')
    .describe('The role that AWS reads the bucket with; docs/clouds/aws.md has its policies.'),
  rootDevice: z
    .string()
    .regex(/^\/dev\/(xvda|sda1)$/, 'is neither /dev/sda1 nor /dev/xvda')
    .default('/dev/sda1')
    .describe('The name of the root device in images.'),
  share: z
    .strictObject({
      accounts: z.array(account).default([]).describe('Accounts that may start the images and copy them.'),
      organizations: z
        .array(
          z
            .string()
            .regex(
              /^arn:aws[a-z-]*:organizations::\d{12}:(organization|ou)\/[\w/-]+$/,
              'is no ARN of an organization or organizational unit, like arn:aws:organizations::123456789012:organization/o-a1b2c3d4e5',
            ),
        )
        .default([])
        .describe('ARNs of organizations or organizational units that may start the images.'),
      public: z.boolean().default(false).describe('Everybody may start the images.'),
    })
    .default({ accounts: [], organizations: [], public: false })
    .describe('Who else may use the images, in every region.'),
  deprecateAfter: z
    .string()
    .refine(
      (text) => (parseDuration(text) ?? 0) > 0 && parseDuration(text)! <= parseDuration(latestDeprecation)!,
      `is no duration up to ${latestDeprecation}, which AWS takes as the most: write a number and h or d, like "90d"`,
    )
    .optional()
    .describe(
      'Images are marked as deprecated this long after they were made, like `90d`; at most 3650d, public ones 729d.',
    ),
  tags: z
    .record(
      z
        .string()
        .regex(
          /^(?!aws:|factory:)[\w .:/=+@-]{1,128}$/,
          'is no key of a tag: up to 128 letters, digits, spaces and _.:/=+@-, not beginning with aws: or factory:',
        ),
      z.string().max(256),
    )
    .default({})
    .describe('More tags for everything that is made.'),
  prices: priceTable,
})

/** What `clouds.<name>` may say when its kind is aws; docs/clouds/aws.md shows it at work. */
export const awsConfiguration = keys.superRefine(refuseContradictions)

export type AwsConfiguration = z.infer<typeof keys>
export type AwsBase = z.infer<typeof base>
export type AwsArchitecture = (typeof awsArchitectures)[number]

/** What stands for a region in a setting that may be a list for the main region only. */
export function forRegion<T>(
  configuration: AwsConfiguration,
  setting: readonly T[] | Readonly<Record<string, readonly T[]>>,
  name: string,
): readonly T[] {
  if (!Array.isArray(setting)) return (setting as Readonly<Record<string, readonly T[]>>)[name] ?? []
  return name === configuration.region ? (setting as readonly T[]) : []
}
