import {
  AuthorizeSecurityGroupIngressCommand,
  DescribeSecurityGroupsCommand,
  type EC2Client,
  type IpPermission,
} from '@aws-sdk/client-ec2'
import { doctor } from '#clouds/aws/doctor.ts'
import { permissionsFor } from '#clouds/aws/doctor/permissions.ts'
import type { AwsSettings } from '#clouds/aws/settings.ts'
import type { Finding } from '#clouds/types.ts'
import { testContext } from '#test/contract/shared.ts'
import type { PolicyDocument } from '#test/servers/aws-front/policy.ts'

/** Everything in use, so that every right is needed. */
export const everything = {
  spot: 'first',
  share: { accounts: ['210987654321'], public: false },
  deprecateAfter: '90d',
}

export async function findings(settings: AwsSettings): Promise<Finding[]> {
  const found: Finding[] = []
  for await (const each of doctor(settings, testContext())) found.push(each)
  return found
}

export function withoutActions(settings: AwsSettings, lacking: readonly string[]): PolicyDocument {
  const Action = permissionsFor(settings.configuration)
    .map(({ action }) => action)
    .filter((action) => !lacking.includes(action))
  return { Statement: [{ Effect: 'Allow', Action, Resource: '*' }] }
}

export function missing(found: readonly Finding[]): string[] {
  return found
    .filter(({ message }) => message.startsWith('missing, '))
    .map(({ subject }) => subject)
    .toSorted()
}

export function pasted(found: readonly Finding[]): string[] {
  const policy = JSON.parse(found.find(({ paste }) => paste !== undefined)!.paste!) as {
    Statement: { Action: string[] }[]
  }
  return policy.Statement.flatMap(({ Action }) => Action).toSorted()
}

/** Lets SSH in to machines of the default group, from an address unless another source is given; answers with its id. */
export async function letSshIn(
  ec2: EC2Client,
  source: IpPermission = { IpRanges: [{ CidrIp: '203.0.113.7/32' }] },
): Promise<string> {
  const Filters = [{ Name: 'group-name', Values: ['default'] }]
  const { SecurityGroups = [] } = await ec2.send(new DescribeSecurityGroupsCommand({ Filters }))
  const GroupId = SecurityGroups[0]!.GroupId!
  const IpPermissions = [{ IpProtocol: 'tcp', FromPort: 22, ToPort: 22, ...source }]
  await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }))
  return GroupId
}

/** The same in both regions of the fixture. */
export async function letSshInEverywhere(fixture: { ec2(region?: string): EC2Client }): Promise<void> {
  await letSshIn(fixture.ec2())
  await letSshIn(fixture.ec2('eu-west-1'))
}
