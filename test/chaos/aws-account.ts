import { EBSClient } from '@aws-sdk/client-ebs'
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

/** What one of our marks says on something. */
export function mark(tags: readonly Tag[] | undefined, name: string): string | undefined {
  return tags?.find(({ Key }) => Key === `factory:${name}`)?.Value
}
