import { EBSClient } from '@aws-sdk/client-ebs'
import {
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  EC2Client,
  RegisterImageCommand,
} from '@aws-sdk/client-ec2'
import type { RegisterImageCommandInput } from '@aws-sdk/client-ec2'
import { describe, expect, test } from 'vitest'
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
