import { EBSClient } from '@aws-sdk/client-ebs'
import {
  CreateTagsCommand,
  CreateVpcCommand,
  DescribeImagesCommand,
  DescribeVolumesCommand,
  DescribeVpcsCommand,
  EC2Client,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import type { RunInstancesCommandInput } from '@aws-sdk/client-ec2'
import {
  IAMClient,
  SimulatePrincipalPolicyCommand,
  paginateSimulatePrincipalPolicy,
} from '@aws-sdk/client-iam'
import { GetBucketAclCommand, S3Client } from '@aws-sdk/client-s3'
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { expect, test } from 'vitest'
import type { PolicyDocument, PolicyStatement } from './aws-front/policy.ts'
import { awsForTests, clientConfig, startSnapshot } from './aws-test.ts'
import { baseImages } from './moto-tree.ts'

const aws = awsForTests()

const account = '123456789012'

function policy(...Statement: PolicyStatement[]): PolicyDocument {
  return { Version: '2012-10-17', Statement }
}

function allow(Action: string | string[], Resource = '*'): PolicyStatement {
  return { Effect: 'Allow', Action, Resource }
}

const machine: RunInstancesCommandInput = {
  MinCount: 1,
  MaxCount: 1,
  ImageId: baseImages.x86_64.id,
  InstanceType: 'm7i.large',
  TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'factory:owner', Value: 'us' }] }],
}

test('one policy answers real calls, dry runs and simulations', async () => {
  const onlySome = policy(allow(['ec2:Describe*', 'ec2:RunInstances', 'iam:SimulatePrincipalPolicy']), {
    Effect: 'Deny',
    Action: 'ec2:DescribeVolumes',
    Resource: '*',
  })
  await using front = await aws.front({ policy: onlySome })
  const ec2 = new EC2Client(clientConfig(front))
  const iam = new IAMClient(clientConfig(front))
  await ec2.send(new DescribeImagesCommand({}))
  await expect(ec2.send(new DescribeVolumesCommand({}))).rejects.toMatchObject({
    name: 'UnauthorizedOperation',
    message: expect.stringContaining('ec2:DescribeVolumes'),
  })
  await expect(startSnapshot(new EBSClient(clientConfig(front)))).rejects.toMatchObject({
    name: 'AccessDeniedException',
    message: expect.stringContaining('ebs:StartSnapshot on resource: arn:aws:ec2:us-east-1::snapshot/*'),
  })
  const s3 = new S3Client({ ...clientConfig(front), forcePathStyle: true })
  await expect(s3.send(new GetBucketAclCommand({ Bucket: 'images' }))).rejects.toMatchObject({
    name: 'AccessDenied',
  })

  const run = new RunInstancesCommand({ ...machine, DryRun: true })
  await expect(ec2.send(run), 'tags need CreateTags').rejects.toMatchObject({
    name: 'UnauthorizedOperation',
    message: expect.stringContaining(
      'ec2:CreateTags on resource: arn:aws:ec2:us-east-1:123456789012:instance/*',
    ),
  })
  const ofCreation = { StringEquals: { 'ec2:CreateAction': 'RunInstances' } }
  front.settings.policy = policy(...[onlySome.Statement].flat(), {
    ...allow('ec2:CreateTags', `arn:aws:ec2:*:${account}:instance/*`),
    Condition: ofCreation,
  })
  await expect(ec2.send(run)).rejects.toMatchObject({ name: 'DryRunOperation' })

  const PolicySourceArn = (await new STSClient(clientConfig(front)).send(new GetCallerIdentityCommand({})))
    .Arn!
  const ActionNames = ['ec2:RunInstances', 'ec2:DescribeVolumes', 'ebs:StartSnapshot']
  const ask = new SimulatePrincipalPolicyCommand({ PolicySourceArn, ActionNames })
  const decisions = async () =>
    (await iam.send(ask)).EvaluationResults?.map(({ EvalDecision }) => EvalDecision)
  expect(await decisions()).toEqual(['allowed', 'explicitDeny', 'implicitDeny'])
  front.settings.simulated = policy(allow('ebs:*'))
  expect(await decisions()).toEqual(['implicitDeny', 'implicitDeny', 'allowed'])
  const session = new SimulatePrincipalPolicyCommand({
    PolicySourceArn: `arn:aws:sts::${account}:assumed-role/builder/session`,
    ActionNames,
  })
  await expect(iam.send(session)).rejects.toMatchObject({ name: 'InvalidInputException' })
})

test('a dry run does nothing, also where the emulator would not see that it is one', async () => {
  await using front = await aws.front()
  const ec2 = new EC2Client(clientConfig(front))
  const { Instances } = await ec2.send(new RunInstancesCommand(machine))
  const InstanceIds = [Instances?.[0]?.InstanceId ?? '']
  for (const command of [
    new TerminateInstancesCommand({ InstanceIds, DryRun: true }),
    new CreateTagsCommand({ Resources: InstanceIds, Tags: [{ Key: 'a', Value: 'b' }], DryRun: true }),
    new DescribeVolumesCommand({ DryRun: true }),
  ])
    await expect(ec2.send(command as DescribeVolumesCommand)).rejects.toMatchObject({
      name: 'DryRunOperation',
    })
  expect(front.requests.filter(({ status }) => status === 412)).toHaveLength(3)
  // moto has no check in this one and would make the network.
  const network = new CreateVpcCommand({ CidrBlock: '10.9.0.0/16', DryRun: true })
  await expect(ec2.send(network)).rejects.toMatchObject({ name: 'DryRunOperation' })
  expect((await ec2.send(new DescribeVpcsCommand({}))).Vpcs).toHaveLength(1)
  const none = new TerminateInstancesCommand({ InstanceIds: ['i-0123456789abcdef0'], DryRun: true })
  await expect(ec2.send(none)).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' })
})

test('a condition on the tags of a resource is looked at', async () => {
  await using front = await aws.front()
  const ec2 = new EC2Client(clientConfig(front))
  const { Instances } = await ec2.send(new RunInstancesCommand(machine))
  const terminate = new TerminateInstancesCommand({ InstanceIds: [Instances?.[0]?.InstanceId ?? ''] })
  const ofOwner = (owner: string) =>
    policy({ ...allow('ec2:*'), Condition: { StringEquals: { 'aws:ResourceTag/factory:owner': owner } } })
  front.settings.policy = ofOwner('somebody else')
  await expect(ec2.send(terminate)).rejects.toMatchObject({ name: 'UnauthorizedOperation' })
  front.settings.policy = ofOwner('us')
  await ec2.send(terminate)
})

test('simulations come in pages, and Systems Manager asks the same policy', async () => {
  await using front = await aws.front({ pageSize: 2 })
  const iam = new IAMClient(clientConfig(front))
  const ActionNames = [
    'ec2:RunInstances',
    'ec2:CreateTags',
    'ebs:StartSnapshot',
    'ebs:PutSnapshotBlock',
    's3:PutObject',
  ]
  const asked = { PolicySourceArn: `arn:aws:iam::${account}:user/factory`, ActionNames }
  const found: (string | undefined)[] = []
  for await (const page of paginateSimulatePrincipalPolicy({ client: iam }, asked)) {
    expect(page.EvaluationResults?.length).toBeLessThanOrEqual(2)
    found.push(...(page.EvaluationResults ?? []).map(({ EvalActionName }) => EvalActionName))
  }
  expect(found).toEqual(ActionNames)
  const ssm = new SSMClient(clientConfig(front))
  const parameter = { Name: '/images/debian', Value: baseImages.aarch64.id }
  await ssm.send(new PutParameterCommand({ ...parameter, Type: 'String' }))
  const ask = new GetParameterCommand({ Name: parameter.Name })
  expect((await ssm.send(ask)).Parameter).toMatchObject(parameter)
  front.settings.policy = policy(allow('ssm:*', `arn:aws:ssm:us-east-1:${account}:parameter/other/*`))
  await expect(ssm.send(ask)).rejects.toMatchObject({ name: 'AccessDeniedException' })
})
