import { EBSClient, GetSnapshotBlockCommand, ListSnapshotBlocksCommand } from '@aws-sdk/client-ebs'
import {
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSnapshotsCommand,
  DescribeSpotInstanceRequestsCommand,
  DescribeVolumesCommand,
  EC2Client,
  type Image,
  type Instance,
  type Tag,
} from '@aws-sdk/client-ec2'
import type { AwsFront } from '#test/servers/aws-front/front.ts'
import { clientConfig } from '#test/servers/aws-test.ts'
import { baseImages } from '#test/servers/moto-tree.ts'
import { identityIn } from './cloud-disk.ts'

/** All that one region of the account has, whoever made it; the base images belong to somebody else. */
export interface RegionHoldings {
  readonly region: string
  readonly ebs: EBSClient
  readonly images: Image[]
  /** Also those that have ended. */
  readonly machines: Instance[]
  readonly snapshots: string[]
  /** Volumes, network interfaces and spot requests that are still open. */
  readonly others: string[]
}

export async function holdingsIn(front: AwsFront, region: string): Promise<RegionHoldings> {
  const ec2 = new EC2Client(clientConfig(front, region))
  const [images, machines, snapshots, volumes, interfaces, requests] = await Promise.all([
    ec2.send(new DescribeImagesCommand({ Owners: ['self'] })),
    ec2.send(new DescribeInstancesCommand({})),
    ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'] })),
    ec2.send(new DescribeVolumesCommand({})),
    ec2.send(new DescribeNetworkInterfacesCommand({})),
    ec2.send(new DescribeSpotInstanceRequestsCommand({})),
  ])
  const open = requests.SpotInstanceRequests?.filter(({ State }) => State === 'open' || State === 'active')
  return {
    region,
    ebs: new EBSClient(clientConfig(front, region)),
    images: images.Images ?? [],
    machines: (machines.Reservations ?? []).flatMap(({ Instances = [] }) => Instances),
    snapshots: (snapshots.Snapshots ?? []).map(({ SnapshotId = '' }) => SnapshotId),
    others: [
      ...(volumes.Volumes ?? []).map(({ VolumeId = '' }) => VolumeId),
      ...(interfaces.NetworkInterfaces ?? []).map(({ NetworkInterfaceId = '' }) => NetworkInterfaceId),
      ...(open ?? []).map(({ SpotInstanceRequestId = '' }) => SpotInstanceRequestId),
    ],
  }
}

export async function machineIn(front: AwsFront, region: string, id: string): Promise<Instance | undefined> {
  const ec2 = new EC2Client(clientConfig(front, region))
  const Filters = [{ Name: 'instance-id', Values: [id] }]
  const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({ Filters }))
  return Reservations.flatMap(({ Instances = [] }) => Instances)[0]
}

/** What stands at the beginning of an image's snapshot; empty for the base image, which says nothing. */
export async function identityOnDisk(front: AwsFront, region: string, imageId: string): Promise<string> {
  if (imageId === baseImages.x86_64.id || imageId === baseImages.aarch64.id) return ''
  const ec2 = new EC2Client(clientConfig(front, region))
  const { Images } = await ec2.send(new DescribeImagesCommand({ ImageIds: [imageId] }))
  const SnapshotId = Images?.[0]?.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId
  const ebs = new EBSClient(clientConfig(front, region))
  const { Blocks } = await ebs.send(new ListSnapshotBlocksCommand({ SnapshotId }))
  const { BlockIndex, BlockToken } = Blocks![0]!
  const first = await ebs.send(new GetSnapshotBlockCommand({ SnapshotId, BlockIndex, BlockToken }))
  return identityIn(await first.BlockData!.transformToByteArray(), 'raw')
}

/** What one of our marks says on something. */
export function mark(tags: readonly Tag[] | undefined, name: string): string | undefined {
  return tags?.find(({ Key }) => Key === `factory:${name}`)?.Value
}
