import { DescribeSubnetsCommand, type Subnet } from '@aws-sdk/client-ec2'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { call } from '../call.ts'
import { offers } from '../builders/offers.ts'
import { forRegion } from '../config.ts'
import type { AwsSettings } from '../settings.ts'
import { finding } from './finding.ts'
import { lookAtGroups } from './security-groups.ts'

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
    const isUnknown = subnets.length > 0 && found.length === 0
    if (isUnknown || !offers(settings, 'x86_64', region).ok) continue
    yield await finding(`security groups in ${region}`, () =>
      lookAtGroups(settings, region, groups, found, ctx),
    )
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
