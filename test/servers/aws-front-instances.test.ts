import {
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  EC2Client,
  RunInstancesCommand,
  TerminateInstancesCommand,
  paginateDescribeInstances,
  paginateDescribeVolumes,
} from '@aws-sdk/client-ec2'
import type { Instance, RunInstancesCommandInput } from '@aws-sdk/client-ec2'
import { expect, test } from 'vitest'
import { awsForTests, clientConfig } from './aws-test.ts'
import { baseImages } from './moto-tree.ts'

const aws = awsForTests()

const tags = [{ Key: 'factory:owner', Value: 'us' }]
const types = ['instance', 'volume', 'network-interface'] as const

async function firstSubnet(ec2: EC2Client): Promise<string> {
  const { Subnets } = await ec2.send(new DescribeSubnetsCommand({}))
  return Subnets?.[0]?.SubnetId ?? ''
}

function machine(SubnetId: string, other: Partial<RunInstancesCommandInput> = {}): RunInstancesCommand {
  return new RunInstancesCommand({
    MinCount: 1,
    MaxCount: 1,
    ImageId: baseImages.x86_64.id,
    InstanceType: 'm7i.large',
    ClientToken: 'lease-1',
    InstanceInitiatedShutdownBehavior: 'terminate',
    SubnetId,
    MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
    UserData: Buffer.from('#cloud-config\n').toString('base64'),
    BlockDeviceMappings: [
      { DeviceName: '/dev/xvda', Ebs: { VolumeSize: 40, VolumeType: 'gp3', Throughput: 250 } },
    ],
    TagSpecifications: types.map((ResourceType) => ({ ResourceType, Tags: tags })),
    ...other,
  })
}

async function only(ec2: EC2Client, token = 'lease-1'): Promise<Instance | undefined> {
  const Filters = [{ Name: 'client-token', Values: [token] }]
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ Filters }))
  return Reservations?.[0]?.Instances?.[0]
}

test('a machine takes its time to run and to end, and leaves nothing', async () => {
  await using front = await aws.front()
  const ec2 = new EC2Client(clientConfig(front))
  const subnet = await firstSubnet(ec2)
  const { Instances } = await ec2.send(machine(subnet))
  const InstanceId = Instances?.[0]?.InstanceId ?? ''
  expect(Instances?.[0]?.State?.Name).toBe('pending')
  expect((await only(ec2))?.State?.Name).toBe('pending')
  expect(await only(ec2)).toMatchObject({
    InstanceId,
    ClientToken: 'lease-1',
    State: { Name: 'running', Code: 16 },
    SubnetId: subnet,
    Architecture: 'x86_64',
    RootDeviceName: '/dev/xvda',
    MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
    BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { DeleteOnTermination: true } }],
    PublicIpAddress: expect.any(String),
    Tags: tags,
  })
  const Filters = [{ Name: 'tag:factory:owner', Values: ['us'] }]
  const { Volumes } = await ec2.send(new DescribeVolumesCommand({ Filters }))
  expect(Volumes).toMatchObject([{ Size: 40, VolumeType: 'gp3', Tags: tags }])
  const { NetworkInterfaces } = await ec2.send(new DescribeNetworkInterfacesCommand({ Filters }))
  expect(NetworkInterfaces).toMatchObject([{ Attachment: { InstanceId }, TagSet: tags }])

  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [InstanceId] }))
  expect((await only(ec2))?.State?.Name).toBe('shutting-down')
  expect(await only(ec2)).toMatchObject({
    State: { Name: 'terminated' },
    StateReason: { Code: 'Client.UserInitiatedShutdown' },
  })
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [InstanceId] }))
  expect((await ec2.send(new DescribeVolumesCommand({}))).Volumes).toEqual([])
  expect((await ec2.send(new DescribeNetworkInterfacesCommand({}))).NetworkInterfaces).toEqual([])
})

test('a token gives one machine, and is refused for another request', async () => {
  await using front = await aws.front()
  const ec2 = new EC2Client(clientConfig(front))
  const subnet = await firstSubnet(ec2)
  const both = await Promise.all([ec2.send(machine(subnet)), ec2.send(machine(subnet))])
  const ids = both.map(({ Instances }) => Instances?.[0]?.InstanceId)
  expect(ids[0]).toBe(ids[1])
  expect(both[0]?.ReservationId).toBe(both[1]?.ReservationId)
  await expect(ec2.send(machine(subnet, { InstanceType: 'm7i.xlarge' }))).rejects.toMatchObject({
    name: 'IdempotentParameterMismatch',
  })
  await ec2.send(machine(subnet, { ClientToken: 'lease-2' }))
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  expect(Reservations).toHaveLength(2)
  expect((await only(ec2, 'lease-2'))?.InstanceId).not.toBe(ids[0])
  expect(await only(ec2, 'lease-3')).toBeUndefined()
})

test('what does not fit together is refused with EC2’s own code', async () => {
  await using front = await aws.front({ noCapacity: [{ instanceType: 'm7i.large', market: 'on-demand' }] })
  const ec2 = new EC2Client(clientConfig(front))
  const subnet = await firstSubnet(ec2)
  const root = (size: number) => [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: size } }]
  const cases: [string, Partial<RunInstancesCommandInput>][] = [
    ['InvalidAMIID.NotFound', { ImageId: 'ami-0123456789abcdef0' }],
    ['InvalidSubnetID.NotFound', { SubnetId: 'subnet-0123456789abcdef0' }],
    ['InvalidGroup.NotFound', { SecurityGroupIds: ['sg-0123456789abcdef0'] }],
    ['InvalidParameterValue', { InstanceType: 'm7g.large' }],
    ['InvalidParameterValue', { ImageId: baseImages.aarch64.id }],
    ['InvalidParameterValue', { InstanceType: 'z9.large' as 'm5.large' }],
    ['InvalidParameterValue', { UserData: Buffer.alloc(16_385).toString('base64') }],
    ['InvalidUserData.Malformed', { UserData: 'not base64!' }],
    ['InvalidBlockDeviceMapping', { BlockDeviceMappings: root(1) }],
    ['InsufficientInstanceCapacity', {}],
    ['DryRunOperation', { DryRun: true }],
  ]
  for (const [name, other] of cases)
    await expect(ec2.send(machine(subnet, other)), JSON.stringify(other)).rejects.toMatchObject({ name })
  const spot = { InstanceMarketOptions: { MarketType: 'spot' as const } }
  expect((await ec2.send(machine(subnet, spot))).Instances).toHaveLength(1)
  expect(await only(ec2)).toMatchObject({ InstanceLifecycle: 'spot' })
})

test('a machine that powers itself off ends as it was told at its start', async () => {
  await using front = await aws.front()
  const ec2 = new EC2Client(clientConfig(front))
  const subnet = await firstSubnet(ec2)
  for (const [how, ends] of [
    ['terminate', 'terminated'],
    ['stop', 'stopped'],
  ] as const) {
    const started = await ec2.send(
      machine(subnet, { ClientToken: how, InstanceInitiatedShutdownBehavior: how }),
    )
    await front.powerOff(started.Instances?.[0]?.InstanceId ?? '')
    await only(ec2, how)
    expect((await only(ec2, how))?.State?.Name).toBe(ends)
  }
})

test('pages can be made smaller than what is asked for', async () => {
  await using front = await aws.front({ pageSize: 2 })
  const ec2 = new EC2Client(clientConfig(front))
  const subnet = await firstSubnet(ec2)
  for (const number of [1, 2, 3, 4, 5]) await ec2.send(machine(subnet, { ClientToken: `lease-${number}` }))
  const first = await ec2.send(new DescribeInstancesCommand({}))
  expect(first.Reservations).toHaveLength(2)
  const tokens: (string | undefined)[] = []
  for await (const page of paginateDescribeInstances({ client: ec2 }, { MaxResults: 1000 }))
    for (const { Instances } of page.Reservations ?? []) tokens.push(Instances?.[0]?.ClientToken)
  expect(tokens.toSorted()).toEqual([1, 2, 3, 4, 5].map((number) => `lease-${number}`))
  const sizes: number[] = []
  for await (const page of paginateDescribeVolumes({ client: ec2 }, {})) sizes.push(page.Volumes?.length ?? 0)
  expect(sizes).toEqual([2, 2, 1])
  const tooSmall = new DescribeInstancesCommand({ MaxResults: 4 })
  await expect(ec2.send(tooSmall)).rejects.toMatchObject({ name: 'InvalidParameterValue' })
  const unknown = new DescribeInstancesCommand({ Filters: [{ Name: 'colour', Values: ['red'] }] })
  await expect(ec2.send(unknown)).rejects.toMatchObject({ name: 'InvalidParameterValue' })
})
