import { EBSClient, GetSnapshotBlockCommand, ListSnapshotBlocksCommand } from '@aws-sdk/client-ebs'
import {
  CopyImageCommand,
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImageAttributeCommand,
  DescribeImagesCommand,
  EC2Client,
  EnableImageDeprecationCommand,
  GetImageBlockPublicAccessStateCommand,
  ModifyImageAttributeCommand,
  RegisterImageCommand,
} from '@aws-sdk/client-ec2'
import type { CopyImageCommandInput, RegisterImageCommandInput } from '@aws-sdk/client-ec2'
import { describe, expect, test } from 'vitest'
import type { AwsFront } from './aws-front/front.ts'
import { awsForTests, clientConfig, completedSnapshot, snapshotState, startSnapshot } from './aws-test.ts'

const aws = awsForTests()

function image(Name: string, SnapshotId: string, other: Partial<RegisterImageCommandInput> = {}) {
  return new RegisterImageCommand({
    Name,
    RootDeviceName: '/dev/xvda',
    Architecture: 'arm64',
    VirtualizationType: 'hvm',
    BootMode: 'uefi',
    EnaSupport: true,
    ImdsSupport: 'v2.0',
    BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId, VolumeType: 'gp3' } }],
    TagSpecifications: [{ ResourceType: 'image', Tags: [{ Key: 'factory:owner', Value: 'us & <them>' }] }],
    ...other,
  })
}

describe('an image', () => {
  test('is made of a completed snapshot that fits, keeps its attributes, and is pending for a while', async () => {
    await using front = await aws.front()
    const ebs = new EBSClient(clientConfig(front))
    const ec2 = new EC2Client(clientConfig(front))
    const unfinished = await startSnapshot(ebs)
    await expect(ec2.send(image('too early', unfinished))).rejects.toMatchObject({ name: 'IncorrectState' })
    const SnapshotId = await completedSnapshot(ebs, ec2)
    const small = { BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId, VolumeSize: 0 } }] }
    await expect(ec2.send(image('too small', SnapshotId, small))).rejects.toMatchObject({
      name: 'InvalidBlockDeviceMapping',
    })
    for (const name of ['ab', 'a'.repeat(129), 'a:b'])
      await expect(ec2.send(image(name, SnapshotId))).rejects.toMatchObject({
        name: 'InvalidAMIName.Malformed',
      })
    const [one, two] = await Promise.allSettled([1, 2].map(() => ec2.send(image('factory-1', SnapshotId))))
    const [made, refused] = one?.status === 'fulfilled' ? [one, two] : [two, one]
    expect(refused).toMatchObject({ reason: { name: 'InvalidAMIName.Duplicate' } })
    const ImageId = made?.status === 'fulfilled' ? made.value.ImageId! : ''
    const ask = new DescribeImagesCommand({
      Owners: ['self'],
      Filters: [{ Name: 'name', Values: ['factory-*'] }],
    })
    const { Images: [shown] = [] } = await ec2.send(ask)
    expect(shown).toMatchObject({
      ImageId,
      Name: 'factory-1',
      State: 'pending',
      Architecture: 'arm64',
      VirtualizationType: 'hvm',
      BootMode: 'uefi',
      EnaSupport: true,
      ImdsSupport: 'v2.0',
      RootDeviceName: '/dev/xvda',
      BlockDeviceMappings: [
        { DeviceName: '/dev/xvda', Ebs: { SnapshotId, VolumeSize: 1, VolumeType: 'gp3' } },
      ],
      Tags: [{ Key: 'factory:owner', Value: 'us & <them>' }],
    })
    expect((await ec2.send(ask)).Images).toMatchObject([{ State: 'available' }])
    const remove = new DeleteSnapshotCommand({ SnapshotId })
    await expect(ec2.send(remove)).rejects.toMatchObject({ name: 'InvalidSnapshot.InUse' })
    await ec2.send(new DeregisterImageCommand({ ImageId, DeleteAssociatedSnapshots: true }))
    await expect(snapshotState(ec2, SnapshotId)).rejects.toMatchObject({ name: 'InvalidSnapshot.NotFound' })
    expect((await ec2.send(ask)).Images).toEqual([])
  })
})

describe('a copied image', () => {
  const inEurope = 'eu-west-1'

  function copy(SourceImageId: string, other: Partial<CopyImageCommandInput> = {}): CopyImageCommand {
    const Tags = [{ Key: 'factory:owner', Value: 'us' }]
    return new CopyImageCommand({
      Name: 'factory-1',
      SourceRegion: 'us-east-1',
      SourceImageId,
      ClientToken: 'copy',
      TagSpecifications: [
        { ResourceType: 'image', Tags },
        { ResourceType: 'snapshot', Tags },
      ],
      ...other,
    })
  }

  async function registered(front: AwsFront): Promise<string> {
    const ec2 = new EC2Client(clientConfig(front))
    const SnapshotId = await completedSnapshot(new EBSClient(clientConfig(front)), ec2)
    const { ImageId = '' } = await ec2.send(image('factory-1', SnapshotId))
    const there = new EC2Client(clientConfig(front, inEurope))
    await expect(there.send(copy(ImageId))).rejects.toMatchObject({ name: 'InvalidAMIID.Unavailable' })
    await ec2.send(new DescribeImagesCommand({ ImageIds: [ImageId] }))
    return ImageId
  }

  test('is one for its token, with the attributes and the blocks, and pending for a while', async () => {
    await using front = await aws.front()
    const source = await registered(front)
    front.settings.polls.image = 2
    const ec2 = new EC2Client(clientConfig(front, inEurope))
    const ids = await Promise.all([ec2.send(copy(source)), ec2.send(copy(source))])
    expect(ids[0]?.ImageId).toBe(ids[1]?.ImageId)
    const others: [string, Partial<CopyImageCommandInput>][] = [
      ['DryRunOperation', { DryRun: true, Name: 'factory-2' }],
      ['IdempotentParameterMismatch', { Description: 'other' }],
      ['InvalidAMIName.Duplicate', { ClientToken: 'another' }],
      ['InvalidAMIID.NotFound', { ClientToken: 'another', SourceImageId: 'ami-0123456789abcdef0' }],
    ]
    for (const [name, other] of others)
      await expect(ec2.send(copy(source, other))).rejects.toMatchObject({ name })
    const ask = new DescribeImagesCommand({ ImageIds: [ids[0]?.ImageId ?? ''] })
    const { Images: [shown] = [] } = await ec2.send(ask)
    expect(shown).toMatchObject({
      State: 'pending',
      Architecture: 'arm64',
      BootMode: 'uefi',
      ImdsSupport: 'v2.0',
    })
    expect(shown?.Tags).toEqual([{ Key: 'factory:owner', Value: 'us' }])
    const SnapshotId = shown?.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId ?? ''
    expect(await snapshotState(ec2, SnapshotId)).toBe('pending')
    expect((await ec2.send(ask)).Images).toMatchObject([{ State: 'pending' }])
    expect((await ec2.send(ask)).Images).toMatchObject([{ State: 'available' }])
    expect(await snapshotState(ec2, SnapshotId)).toBe('completed')
    const ebs = new EBSClient(clientConfig(front, inEurope))
    const { Blocks: [block] = [] } = await ebs.send(new ListSnapshotBlocksCommand({ SnapshotId }))
    const { BlockData } = await ebs.send(new GetSnapshotBlockCommand({ SnapshotId, ...block } as never))
    expect((await BlockData?.transformToByteArray())?.every((byte) => byte === 7)).toBe(true)
  })

  test('fails where it was told to', async () => {
    await using front = await aws.front({ failingCopies: [inEurope] })
    const ec2 = new EC2Client(clientConfig(front, inEurope))
    const { ImageId = '' } = await ec2.send(copy(await registered(front)))
    const ask = new DescribeImagesCommand({ ImageIds: [ImageId] })
    await ec2.send(ask)
    expect((await ec2.send(ask)).Images).toMatchObject([
      { State: 'failed', StateReason: { Code: expect.any(String) } },
    ])
  })
})

test('an image is shared, deprecated, and kept from the public where the account says so', async () => {
  await using front = await aws.front({ publicImages: 'block-new-sharing' })
  const ec2 = new EC2Client(clientConfig(front))
  const SnapshotId = await completedSnapshot(new EBSClient(clientConfig(front)), ec2)
  const { ImageId = '' } = await ec2.send(image('factory-1', SnapshotId))
  const share = (Add: object[]) =>
    ec2.send(new ModifyImageAttributeCommand({ ImageId, LaunchPermission: { Add } }))
  await expect(share([{ Group: 'all' }])).rejects.toMatchObject({ name: 'OperationNotPermitted' })
  const OrganizationArn = 'arn:aws:organizations::123456789012:organization/o-abcdefghij'
  await share([{ UserId: '111122223333' }, { OrganizationArn }])
  const shared = await ec2.send(new DescribeImageAttributeCommand({ ImageId, Attribute: 'launchPermission' }))
  expect(shared.LaunchPermissions).toMatchObject([{ UserId: '111122223333' }, { OrganizationArn }])
  const state = await ec2.send(new GetImageBlockPublicAccessStateCommand({}))
  expect(state.ImageBlockPublicAccessState).toBe('block-new-sharing')
  const DeprecateAt = new Date('2031-01-01T00:00:00Z')
  await ec2.send(new EnableImageDeprecationCommand({ ImageId, DeprecateAt }))
  const ask = new DescribeImagesCommand({ ImageIds: [ImageId] })
  expect((await ec2.send(ask)).Images).toMatchObject([{ DeprecationTime: DeprecateAt.toISOString() }])
})
