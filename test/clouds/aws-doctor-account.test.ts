import { DescribeSecurityGroupsCommand, DescribeSubnetsCommand } from '@aws-sdk/client-ec2'
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import { permissionsFor } from '#clouds/aws/doctor/permissions.ts'
import { awsClients } from '#clouds/aws/clients.ts'
import { completePolicy } from '#clouds/aws/doctor/policy.ts'
import type { AwsSettings } from '#clouds/aws/settings.ts'
import { testContext } from '#test/contract/shared.ts'
import { refusedWith } from '#test/servers/aws-front/effects.ts'
import { type PolicyDocument, allowAll } from '#test/servers/aws-front/policy.ts'
import { awsForTests } from '#test/servers/aws-test.ts'
import { createAwsBuildersFixture } from './aws-builders-fixture.ts'
import {
  everything,
  findings,
  letSshIn,
  letSshInEverywhere,
  missing,
  withoutActions,
} from './aws-doctor-findings.ts'

const aws = awsForTests()

describe('a bucket that images pass through', () => {
  const through = { ...everything, method: 's3', bucket: 'factory-doctor-test' }

  async function withBucket(endpoint: string) {
    const common = { endpoint, region: 'us-east-1' }
    const s3 = new S3Client({ ...common, forcePathStyle: true })
    await s3.send(new CreateBucketCommand({ Bucket: through.bucket }))
    const role = { RoleName: 'vmimport', AssumeRolePolicyDocument: '{}' }
    await new IAMClient(common).send(new CreateRoleCommand(role))
    return {
      uploads: async () =>
        (await s3.send(new ListMultipartUploadsCommand({ Bucket: through.bucket }))).Uploads ?? [],
    }
  }

  test('needs other rights, all of which are in the complete policy, and is as empty afterwards as before', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const bucket = await withBucket(front.endpoint)
    const settings = fixture.settings(through)
    await letSshInEverywhere(fixture)
    front.settings.policy = JSON.parse(completePolicy(settings)) as PolicyDocument
    const found = await findings(settings)
    expect(found.filter(({ severity }) => severity !== 'ok')).toEqual([])
    expect(found).toContainEqual({
      severity: 'ok',
      subject: 'bucket factory-doctor-test',
      message: 'is in us-east-1, to be read by vmimport',
    })
    expect(permissionsFor(settings.configuration).map(({ action }) => action)).not.toContain(
      'ebs:StartSnapshot',
    )
    front.settings.policy = allowAll
    expect(await bucket.uploads()).toEqual([])
  })

  test('rights that are missing are named with all others', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    await withBucket(front.endpoint)
    const settings = fixture.settings(through)
    const complete = JSON.parse(completePolicy(settings)) as { Statement: { Action: string[] }[] }
    const actions = permissionsFor(settings.configuration)
      .map(({ action }) => action)
      .filter((action) => !action.startsWith('iam:Simulate') && action !== 'iam:GetRole')
    for (const rest of [0, 1, 2, 3]) {
      const lacking = actions.filter((_, index) => index % 4 === rest)
      const Statement = complete.Statement.map((statement) => ({
        ...statement,
        Action: statement.Action.filter((action) => !lacking.includes(action)),
      }))
      front.settings.policy = { Statement } as unknown as PolicyDocument
      expect(missing(await findings(settings))).toEqual(lacking.toSorted())
    }
  })

  test('that is not there is told', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const found = await findings(fixture.settings(through))
    expect(found.find(({ subject }) => subject === 'bucket factory-doctor-test')).toMatchObject({
      severity: 'error',
      hint: expect.stringContaining('aws s3 mb'),
    })
  })
})

describe('the account', () => {
  test('wrong keys are the only finding: everything else would fail for the same reason', async () => {
    await using front = await aws.front({ credentials: [{ accessKeyId: 'other', secretAccessKey: 'other' }] })
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const found = await findings(fixture.settings())
    expect(found).toMatchObject([{ severity: 'error', subject: 'account in us-east-1' }])
    expect(found[0]?.hint).toContain('aws sso login')
  })

  test('a clock that is off is told, with the direction', async () => {
    await using front = await aws.front({ clockSkewMs: 120_000 })
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    expect(await findings(fixture.settings())).toContainEqual(
      expect.objectContaining({
        severity: 'warning',
        subject: 'clock',
        message: expect.stringMatching(/^this machine is 2 min.* behind AWS$/),
      }),
    )
  })

  test('a base image and an instance type that do not fit, and a subnet that is not there, are told together', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const found = await findings(
      fixture.settings({
        base: { x86_64: { ami: 'ami-0123456789abcdef0' }, aarch64: { ami: 'ami-0a1b2c3d4e5f60003' } },
        subnets: ['subnet-0123456789abcdef0'],
      }),
    )
    const errors = found.filter(({ severity }) => severity === 'error')
    expect(errors.map(({ subject }) => subject)).toEqual([
      'x86_64 builders in us-east-1',
      'aarch64 builders in us-east-1',
      'subnets in us-east-1',
    ])
    expect(errors[0]?.message).toContain('ami-0123456789abcdef0')
    expect(errors[1]?.message).toContain('subnet-0123456789abcdef0')
  })

  test('subnets and groups that are not there are told together, each by its key', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const { Subnets = [] } = await fixture.ec2().send(new DescribeSubnetsCommand({}))
    const lost = ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1']
    const group = 'sg-0123456789abcdef0'
    const told = async (change: object) => {
      const found = await findings(fixture.settings({ copyTo: [], ...change }))
      return found.filter(({ subject }) => /^(subnets|security groups) in/.test(subject))
    }
    const groupLost = {
      severity: 'error',
      subject: 'security groups in us-east-1',
      message: `us-east-1 has no ${group}`,
      hint: expect.stringContaining('Correct clouds.test.securityGroups; '),
    }
    const subnetsLost = {
      severity: 'error',
      subject: 'subnets in us-east-1',
      message: `us-east-1 has no ${lost.join(' and no ')}`,
      hint: expect.stringContaining('Correct clouds.test.subnets; '),
    }
    expect(await told({ subnets: lost, securityGroups: [group] })).toEqual([subnetsLost, groupLost])
    const byRegion = { subnets: { 'us-east-1': [Subnets[0]!.SubnetId, ...lost] } }
    expect((await told(byRegion))[0]).toEqual({
      ...subnetsLost,
      hint: expect.stringContaining('Correct clouds.test.subnets.us-east-1; '),
    })
  })

  test('groups that are named are looked at although the subnets are not there', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const group = await letSshIn(fixture.ec2())
    const settings = fixture.settings({ subnets: ['subnet-0123456789abcdef0'], securityGroups: [group] })
    expect(await findings(settings)).toContainEqual({
      severity: 'ok',
      subject: 'security groups in us-east-1',
      message: `${group} lets SSH in`,
    })
  })

  test('a region of copies that is not enabled, or not there, is told, and nothing else about it', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    await letSshIn(fixture.ec2())
    const refused = {
      code: 'AuthFailure',
      message: 'AWS was not able to validate the provided access credentials',
      status: 401,
    }
    front.inject({ region: 'af-south-1', effect: refusedWith(refused) })
    const own = fixture.settings({ copyTo: ['af-south-1', 'eu-west-9', 'eu-west-1'] })
    const nowhere = awsClients({ ...own.configuration, endpoint: 'http://127.0.0.1:1' })
    const clients: AwsSettings['clients'] = (region) =>
      region === 'eu-west-9' ? nowhere(region) : own.clients(region)
    const found = await findings({ ...own, clients })
    expect(found.filter(({ subject }) => subject.startsWith('copies in'))).toEqual([
      {
        severity: 'error',
        subject: 'copies in af-south-1',
        message: expect.stringContaining('AuthFailure'),
        hint: expect.stringContaining('aws account enable-region --region-name af-south-1'),
      },
      {
        severity: 'error',
        subject: 'copies in eu-west-9',
        message: expect.stringContaining('ECONNREFUSED'),
        hint: expect.stringMatching(/aws ec2 describe-regions .*clouds\.test\.copyTo/),
      },
      { severity: 'ok', subject: 'copies in eu-west-1', message: 'the region answers' },
    ])
    const elsewhere = found.filter(({ subject, message }) => /af-south-1|eu-west-9/.test(subject + message))
    expect(elsewhere).toHaveLength(2)
    const looks = front.requests.filter(({ region }) => region === 'af-south-1')
    expect(new Set(looks.map(({ action }) => action))).toEqual(new Set(['DescribeImages']))
  })

  test('the role for spot machines is looked at where they are asked for, also by who may not look', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const told = async (change: object) => {
      const found = await findings(fixture.settings(change))
      return found.find(({ subject }) => subject === 'role for spot machines')
    }
    const command = 'aws iam create-service-linked-role --aws-service-name spot.amazonaws.com'
    const warning = { severity: 'warning', hint: expect.stringContaining(command) }
    const spot = 'first'
    expect(await told({ spot })).toMatchObject({ severity: 'ok' })
    front.settings.spotRole = 'missing'
    expect(await told({ spot })).toMatchObject({
      ...warning,
      message: 'the account has no AWSServiceRoleForEC2Spot',
    })
    expect(await told({})).toBeUndefined()
    front.settings.policy = withoutActions(fixture.settings(everything), ['iam:GetRole'])
    expect(await told({ spot })).toMatchObject({
      ...warning,
      message: expect.stringContaining('is not known: iam:GetRole is not allowed'),
    })
  })

  test('a quota that leaves too few processors is told with the command that asks for more', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    await fixture.pool().acquire(fixture.spec, fixture.newLease(), testContext())
    const onDemand = async (quota: number) => {
      front.settings.quotas['ec2/L-1216C47A'] = quota
      const found = await findings(fixture.settings())
      return found.find(({ subject }) => subject === 'on-demand processors in us-east-1')
    }
    const needs = 'one machine of m5.large and one of m6g.large needs 4'
    expect(await onDemand(6)).toMatchObject({ severity: 'ok', message: `4 of 6 are free; ${needs}` })
    expect(await onDemand(4)).toMatchObject({ severity: 'warning', message: `2 of 4 are free; ${needs}` })
    expect(await onDemand(2)).toMatchObject({
      severity: 'error',
      message: `0 of 2 are free; ${needs}`,
      hint: expect.stringContaining('--quota-code L-1216C47A --desired-value 6'),
    })
  })

  test('a security group that lets no SSH in is told with the command that would', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const { SecurityGroups = [] } = await fixture.ec2().send(new DescribeSecurityGroupsCommand({}))
    const { Subnets = [] } = await fixture.ec2().send(new DescribeSubnetsCommand({}))
    const group = SecurityGroups.find(({ GroupName }) => GroupName === 'default')!.GroupId!
    const found = await findings(
      fixture.settings({ securityGroups: [group], subnets: [Subnets[0]!.SubnetId!] }),
    )
    expect(found.find(({ subject }) => subject === 'security groups in us-east-1')).toMatchObject({
      severity: 'error',
      message: `${group} lets no SSH in`,
      hint: expect.stringContaining('authorize-security-group-ingress'),
    })
    expect(found.find(({ subject }) => subject === 'subnets in us-east-1')).toMatchObject({
      severity: 'ok',
      message: expect.stringMatching(/has \d+ free addresses/),
    })
  })

  test('without security groups the default one is looked at: it lets SSH in from nowhere, from itself, from an address', async () => {
    await using front = await aws.front()
    await using fixture = await createAwsBuildersFixture(front.endpoint)
    const told = async () => {
      const found = await findings(fixture.settings())
      return found.find(({ subject }) => subject === 'security groups in us-east-1')
    }
    const because = 'clouds.test.securityGroups names none, so machines get the default one of vpc-'
    expect(await told()).toMatchObject({ severity: 'error', message: expect.stringContaining(because) })
    const { SecurityGroups = [] } = await fixture.ec2().send(new DescribeSecurityGroupsCommand({}))
    const GroupId = SecurityGroups.find(({ GroupName }) => GroupName === 'default')!.GroupId!
    await letSshIn(fixture.ec2(), { UserIdGroupPairs: [{ GroupId }] })
    expect(await told()).toMatchObject({
      severity: 'warning',
      message: expect.stringContaining(`${GroupId} lets SSH in only from machines in ${GroupId}; ${because}`),
    })
    await letSshIn(fixture.ec2())
    expect(await told()).toMatchObject({
      severity: 'ok',
      message: expect.stringContaining(`${GroupId} lets SSH in; ${because}`),
    })
  })
})
