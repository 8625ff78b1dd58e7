import { type InstanceTypeInfo, paginateDescribeInstanceTypes } from '@aws-sdk/client-ec2'
import { type ArchitectureName, architectures } from '#arch/index.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { call } from '../call.ts'
import type { AwsArchitecture, AwsConfiguration } from '../config.ts'
import { everyItem } from '../pages.ts'
import type { AwsSettings } from '../settings.ts'

/** Four processors, eight GiB of memory or more: what osbuild is content with. Newer generations first, older where those are full. */
const usualTypes: Readonly<Record<AwsArchitecture, readonly string[]>> = {
  x86_64: ['m7i.xlarge', 'm6i.xlarge', 'm5.xlarge', 'c6i.xlarge', 'c5.xlarge'],
  aarch64: ['m7g.xlarge', 'm6g.xlarge', 'c7g.xlarge', 'c6g.xlarge'],
}

/**
 * The instance types to ask for, the preferred one first: those of the configuration, else the usual ones that the region
 * has. Throws `aws-instance-type`, which names all that are for another architecture or, of the configuration's, not to be had
 * where builders are rented.
 */
export async function instanceTypesFor(
  settings: AwsSettings,
  arch: ArchitectureName,
  region: string,
  ctx: Context,
): Promise<string[]> {
  const { configuration } = settings
  const configured = configuration.instanceTypes[arch as AwsArchitecture]
  const wanted = wantedTypes(configuration, arch)
  const offered = await describeTypes(settings, wanted, region, ctx)
  const wrong: string[] = []
  const usable: string[] = []
  for (const type of wanted) {
    const known = offered.get(type)
    const made = known?.ProcessorInfo?.SupportedArchitectures ?? []
    if (known && made.includes(architectures[arch].ec2!)) usable.push(type)
    else if (known) wrong.push(`${type} is for ${made.join(' and ')}`)
    else if (configured && region === configuration.region) wrong.push(`${region} has no ${type}`)
  }
  if (wrong.length > 0) throw refused(settings, arch, region, wrong.join(', '))
  if (usable.length > 0) return usable
  throw refused(settings, arch, region, `${region} has none of ${wanted.join(', ')}`)
}

/** The types of the configuration, else the usual ones, whether or not a region has them. */
export function wantedTypes({ instanceTypes }: AwsConfiguration, arch: ArchitectureName): readonly string[] {
  return instanceTypes[arch as AwsArchitecture] ?? usualTypes[arch as AwsArchitecture] ?? []
}

/** Those of the types that the region has. */
export async function describeTypes(
  settings: AwsSettings,
  names: readonly string[],
  region: string,
  ctx: Context,
): Promise<ReadonlyMap<string, InstanceTypeInfo>> {
  const { ec2 } = settings.clients(region)
  // By a filter and not by name: one unknown name would fail the whole call.
  const Filters = [{ Name: 'instance-type', Values: [...names] }]
  const paging = { client: ec2, pageSize: Math.min(settings.pageSize ?? 100, 100) }
  const found = await call('looking at instance types', region, ctx, ({ abortSignal }) =>
    everyItem(
      paginateDescribeInstanceTypes(paging, { Filters }, { abortSignal }),
      ({ InstanceTypes }) => InstanceTypes,
    ),
  )
  return new Map(found.map((type) => [String(type.InstanceType), type]))
}

function refused(settings: AwsSettings, arch: ArchitectureName, region: string, what: string): FactoryError {
  const key = `clouds.${settings.name}.instanceTypes.${arch}`
  return new FactoryError({
    code: 'aws-instance-type',
    message: `${key} cannot be what ${arch} machines are rented as: ${what}`,
    hint: `Name types for ${architectures[arch].ec2 ?? arch}: aws ec2 describe-instance-types --region ${region} --filters Name=processor-info.supported-architecture,Values=${architectures[arch].ec2 ?? arch} --query 'InstanceTypes[].InstanceType' --output text`,
    class: 'user',
  })
}
