import { DescribeSubnetsCommand, type Subnet } from '@aws-sdk/client-ec2'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { call } from '../call.ts'
import { offers } from '../builders/offers.ts'
import { forRegion } from '../config.ts'
import type { AwsSettings } from '../settings.ts'
import { finding } from './finding.ts'
import { keyFor, lookAtGroups } from './security-groups.ts'

/** Whether machines would get an address in each region, and whether SSH is let in to them. */
export async function* lookAtNetwork(
  settings: AwsSettings,
  regions: readonly string[],
  ctx: Context,
): AsyncIterable<Finding> {
  const { configuration } = settings
  for (const region of regions) {
    const subnets = forRegion<string>(configuration, configuration.subnets, region)
    const groups = forRegion<string>(configuration, configuration.securityGroups, region)
    let found: Subnet[] = []
    if (subnets.length > 0) {
      yield await finding(`subnets in ${region}`, async () => {
        found = await subnetsWith(settings, region, subnets, ctx)
        return toldOfSubnets(settings, region, subnets, found)
      })
    }
    // Without the subnets nobody knows whose default group it would be; groups that are named can be looked at all the same.
    const isUnknown = subnets.length > 0 && found.length === 0 && groups.length === 0
    if (isUnknown || !offers(settings, 'x86_64', region).ok) continue
    yield await finding(`security groups in ${region}`, () =>
      lookAtGroups(settings, region, groups, found, ctx),
    )
  }
}

/** By a filter: asked for by their ids, one that is not there would hide all others. */
async function subnetsWith(
  settings: AwsSettings,
  region: string,
  ids: readonly string[],
  ctx: Context,
): Promise<Subnet[]> {
  const { ec2 } = settings.clients(region)
  const Filters = [{ Name: 'subnet-id', Values: [...ids] }]
  const answer = await call('looking at subnets', region, ctx, (options) =>
    ec2.send(new DescribeSubnetsCommand({ Filters }), options),
  )
  return answer.Subnets ?? []
}

function toldOfSubnets(
  settings: AwsSettings,
  region: string,
  ids: readonly string[],
  found: readonly Subnet[],
): Omit<Finding, 'subject'> {
  const lacking = ids.filter((id) => !found.some(({ SubnetId }) => SubnetId === id))
  if (lacking.length === 0) return toldOfAddresses(found, settings.configuration.maxBuilders)
  const hint = `Correct ${keyFor(settings, 'subnets', region)}; there are: aws ec2 describe-subnets --region ${region} --query 'Subnets[].[SubnetId,VpcId,AvailabilityZone]' --output text`
  return { severity: 'error', message: `${region} has no ${lacking.join(' and no ')}`, hint }
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
