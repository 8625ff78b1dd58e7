import {
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  type IpPermission,
  type Subnet,
} from '@aws-sdk/client-ec2'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { call } from '../call.ts'
import { forRegion } from '../config.ts'
import type { AwsSettings } from '../settings.ts'
import { finding } from './finding.ts'

const sshPort = 22

/** Whether machines would get an address in each region, and whether SSH is let in to them. */
export async function* lookAtNetwork(settings: AwsSettings, ctx: Context): AsyncIterable<Finding> {
  const { configuration, regions } = settings
  for (const region of regions) {
    const subnets = forRegion<string>(configuration, configuration.subnets, region)
    const groups = forRegion<string>(configuration, configuration.securityGroups, region)
    let found: Subnet[] = []
    if (subnets.length > 0) {
      yield await finding(`subnets in ${region}`, async () => {
        found = await subnetsWith(settings, region, subnets, ctx)
        return toldOfAddresses(found, configuration.maxBuilders)
      })
    }
    if (groups.length > 0) {
      yield await finding(`security groups in ${region}`, () =>
        lookAtGroups(settings, region, groups, found, ctx),
      )
    }
  }
}

async function subnetsWith(
  settings: AwsSettings,
  region: string,
  ids: readonly string[],
  ctx: Context,
): Promise<Subnet[]> {
  const { ec2 } = settings.clients(region)
  const answer = await call('looking at subnets', region, ctx, (options) =>
    ec2.send(new DescribeSubnetsCommand({ SubnetIds: [...ids] }), options),
  )
  return answer.Subnets ?? []
}

function toldOfAddresses(subnets: readonly Subnet[], wanted: number): Omit<Finding, 'subject'> {
  const free = subnets.map(({ SubnetId, AvailableIpAddressCount = 0, AvailabilityZone }) => ({
    count: AvailableIpAddressCount,
    text: `${SubnetId} (${AvailabilityZone}) has ${AvailableIpAddressCount} free addresses`,
  }))
  const message = free.map(({ text }) => text).join(', ')
  const total = free.reduce((sum, { count }) => sum + count, 0)
  if (total >= wanted) return { severity: 'ok', message }
  const hint = `maxBuilders is ${wanted}: name another subnet, or lower it.`
  return { severity: total === 0 ? 'error' : 'warning', message, hint }
}

async function lookAtGroups(
  settings: AwsSettings,
  region: string,
  ids: readonly string[],
  subnets: readonly Subnet[],
  ctx: Context,
): Promise<Omit<Finding, 'subject'>> {
  const { ec2 } = settings.clients(region)
  const answer = await call('looking at security groups', region, ctx, (options) =>
    ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [...ids] }), options),
  )
  const groups = answer.SecurityGroups ?? []
  const foreign = groups.find(({ VpcId }) => subnets.some((subnet) => subnet.VpcId !== VpcId))
  if (foreign) {
    const message = `${foreign.GroupId} is of ${foreign.VpcId}, and the subnets are of ${subnets[0]?.VpcId}`
    return { severity: 'error', message, hint: 'Name subnets and security groups of one VPC.' }
  }
  const open = groups.filter(({ IpPermissions = [] }) => IpPermissions.some(letsSshIn))
  if (open.length > 0)
    return { severity: 'ok', message: `${open.map(({ GroupId }) => GroupId).join(', ')} let SSH in` }
  const hint = `Let TCP ${sshPort} in from where the factory runs: aws ec2 authorize-security-group-ingress --region ${region} --group-id ${ids[0]} --protocol tcp --port ${sshPort} --cidr YOUR.ADDRESS/32`
  return { severity: 'error', message: `${ids.join(', ')} let no SSH in`, hint }
}

/** Protocol -1 is everything. From where it lets in only a machine in that place could tell. */
function letsSshIn({ IpProtocol, FromPort, ToPort }: IpPermission): boolean {
  if (IpProtocol === '-1') return true
  return IpProtocol === 'tcp' && (FromPort ?? 0) <= sshPort && (ToPort ?? 65_535) >= sshPort
}
