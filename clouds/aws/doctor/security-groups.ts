import {
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  type DescribeSecurityGroupsCommandInput,
  type IpPermission,
  type SecurityGroup,
  type Subnet,
} from '@aws-sdk/client-ec2'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { call } from '../call.ts'
import type { AwsSettings } from '../settings.ts'

const sshPort = 22

type Told = Omit<Finding, 'subject'>

/** Whether the groups that machines get let SSH in; where none are configured that is the default one of their network. */
export async function lookAtGroups(
  settings: AwsSettings,
  region: string,
  ids: readonly string[],
  subnets: readonly Subnet[],
  ctx: Context,
): Promise<Told> {
  if (ids.length === 0) return await lookAtDefaultGroup(settings, region, subnets, ctx)
  // By a filter: asked for by their ids, one that is not there would hide all others.
  const Filters = [{ Name: 'group-id', Values: [...ids] }]
  const groups = await groupsOf(settings, region, { Filters }, ctx)
  const lacking = ids.filter((id) => !groups.some(({ GroupId }) => GroupId === id))
  if (lacking.length > 0) {
    const hint = `Correct ${keyFor(settings, 'securityGroups', region)}; there are: aws ec2 describe-security-groups --region ${region} --query 'SecurityGroups[].[GroupId,VpcId,GroupName]' --output text`
    return { severity: 'error', message: `${region} has no ${lacking.join(' and no ')}`, hint }
  }
  const foreign = groups.find(({ VpcId }) => subnets.some((subnet) => subnet.VpcId !== VpcId))
  if (foreign) {
    const message = `${foreign.GroupId} is of ${foreign.VpcId}, and the subnets are of ${subnets[0]?.VpcId}`
    return { severity: 'error', message, hint: 'Name subnets and security groups of one VPC.' }
  }
  return whetherOpen(region, groups)
}

/** Where in the configuration a region's own are named. */
export function keyFor(
  { name, configuration }: AwsSettings,
  key: 'subnets' | 'securityGroups',
  region: string,
): string {
  return `clouds.${name}.${key}${Array.isArray(configuration[key]) ? '' : `.${region}`}`
}

async function lookAtDefaultGroup(
  settings: AwsSettings,
  region: string,
  subnets: readonly Subnet[],
  ctx: Context,
): Promise<Told> {
  const { name } = settings
  const [subnet] = subnets.length > 0 ? subnets : await defaultSubnets(settings, region, ctx)
  if (subnet?.VpcId === undefined) {
    const hint = `Name them: clouds.${name}.subnets and clouds.${name}.securityGroups.`
    return { severity: 'error', message: 'there is no default VPC, and no subnets are configured', hint }
  }
  const Filters = [
    { Name: 'vpc-id', Values: [subnet.VpcId] },
    { Name: 'group-name', Values: ['default'] },
  ]
  const told = whetherOpen(region, await groupsOf(settings, region, { Filters }, ctx))
  const because = `clouds.${name}.securityGroups names none, so machines get the default one of ${subnet.VpcId}`
  return { ...told, message: `${told.message}; ${because}` }
}

function whetherOpen(region: string, groups: readonly SecurityGroup[]): Told {
  const names = groups.map(({ GroupId }) => GroupId).join(', ')
  const rules = groups.flatMap(({ IpPermissions = [] }) => IpPermissions.filter(isForSsh))
  const lets = groups.length === 1 ? 'lets' : 'let'
  if (rules.some(fromAddresses)) return { severity: 'ok', message: `${names} ${lets} SSH in` }
  const hint = `Let TCP ${sshPort} in from where the factory runs: aws ec2 authorize-security-group-ingress --region ${region} --group-id ${groups[0]?.GroupId} --protocol tcp --port ${sshPort} --cidr YOUR.ADDRESS/32`
  const sources = rules.flatMap(({ UserIdGroupPairs = [] }) => UserIdGroupPairs.map(({ GroupId }) => GroupId))
  if (sources.length === 0) return { severity: 'error', message: `${names} ${lets} no SSH in`, hint }
  const message = `${names} ${lets} SSH in only from machines in ${[...new Set(sources)].join(', ')}`
  return { severity: 'warning', message, hint }
}

/** Protocol -1 is everything. */
function isForSsh({ IpProtocol, FromPort, ToPort }: IpPermission): boolean {
  if (IpProtocol === '-1') return true
  return IpProtocol === 'tcp' && (FromPort ?? 0) <= sshPort && (ToPort ?? 65_535) >= sshPort
}

/** Whether ours is among them only a machine in that place could tell. */
function fromAddresses({ IpRanges = [], Ipv6Ranges = [], PrefixListIds = [] }: IpPermission): boolean {
  return IpRanges.length + Ipv6Ranges.length + PrefixListIds.length > 0
}

async function groupsOf(
  settings: AwsSettings,
  region: string,
  which: DescribeSecurityGroupsCommandInput,
  ctx: Context,
): Promise<SecurityGroup[]> {
  const { ec2 } = settings.clients(region)
  const answer = await call('looking at security groups', region, ctx, (options) =>
    ec2.send(new DescribeSecurityGroupsCommand(which), options),
  )
  return answer.SecurityGroups ?? []
}

async function defaultSubnets(settings: AwsSettings, region: string, ctx: Context): Promise<Subnet[]> {
  const { ec2 } = settings.clients(region)
  const Filters = [{ Name: 'default-for-az', Values: ['true'] }]
  const answer = await call('looking at subnets', region, ctx, (options) =>
    ec2.send(new DescribeSubnetsCommand({ Filters }), options),
  )
  return answer.Subnets ?? []
}
