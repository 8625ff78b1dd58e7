import {
  CancelSpotInstanceRequestsCommand,
  DeleteNetworkInterfaceCommand,
  DeleteSnapshotCommand,
  DeleteVolumeCommand,
  DescribeAddressesCommand,
  type EC2Client,
  type Filter,
  ReleaseAddressCommand,
  type Tag,
  paginateDescribeNetworkInterfaces,
  paginateDescribeSnapshots,
  paginateDescribeSpotInstanceRequests,
  paginateDescribeVolumes,
} from '@aws-sdk/client-ec2'
import type { Resource } from '#clouds/types.ts'
import { everyItem } from '../pages.ts'

interface Options {
  abortSignal: AbortSignal
}

/** Something that costs money or stands in the way and bears tags. */
export interface Tagged {
  id: string
  state?: string | undefined
  tags?: Tag[] | undefined
}

export interface RentedKind {
  readonly kind: Resource['kind']
  /** For messages. */
  readonly plural: string
  list(
    paging: { client: EC2Client; pageSize: number },
    Filters: Filter[],
    options: Options,
  ): Promise<Tagged[]>
  remove(ec2: EC2Client, id: string, options: Options): Promise<unknown>
}

/** All that can come with a machine and stay behind when it has ended; what is being deleted already is not listed. */
export const rentedKinds: readonly RentedKind[] = [
  {
    kind: 'disk',
    plural: 'volumes',
    async list(paging, Filters, options) {
      const volumes = await everyItem(
        paginateDescribeVolumes(paging, { Filters }, options),
        (page) => page.Volumes,
      )
      return volumes
        .filter(({ State }) => State !== 'deleting' && State !== 'deleted')
        .map(({ VolumeId = '', State, Tags }) => ({ id: VolumeId, state: State, tags: Tags }))
    },
    remove: (ec2, VolumeId, options) => ec2.send(new DeleteVolumeCommand({ VolumeId }), options),
  },
  {
    kind: 'network-interface',
    plural: 'network interfaces',
    async list(paging, Filters, options) {
      const pages = paginateDescribeNetworkInterfaces(paging, { Filters }, options)
      const interfaces = await everyItem(pages, (page) => page.NetworkInterfaces)
      return interfaces.map(({ NetworkInterfaceId = '', Status, TagSet }) => ({
        id: NetworkInterfaceId,
        state: Status,
        tags: TagSet,
      }))
    },
    remove: (ec2, NetworkInterfaceId, options) =>
      ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId }), options),
  },
  {
    kind: 'address',
    plural: 'addresses',
    async list({ client }, Filters, options) {
      const page = await client.send(new DescribeAddressesCommand({ Filters }), options)
      const addresses = await everyItem([page], ({ Addresses }) => Addresses)
      return addresses.map(({ AllocationId = '', Tags }) => ({ id: AllocationId, tags: Tags }))
    },
    remove: (ec2, AllocationId, options) => ec2.send(new ReleaseAddressCommand({ AllocationId }), options),
  },
  {
    kind: 'snapshot',
    plural: 'snapshots',
    async list(paging, Filters, options) {
      const pages = paginateDescribeSnapshots(paging, { OwnerIds: ['self'], Filters }, options)
      const snapshots = await everyItem(pages, (page) => page.Snapshots)
      return snapshots.map(({ SnapshotId = '', State, Tags }) => ({
        id: SnapshotId,
        state: State,
        tags: Tags,
      }))
    },
    remove: (ec2, SnapshotId, options) => ec2.send(new DeleteSnapshotCommand({ SnapshotId }), options),
  },
  {
    kind: 'spot-request',
    plural: 'spot requests',
    async list(paging, Filters, options) {
      const pages = paginateDescribeSpotInstanceRequests(paging, { Filters }, options)
      const requests = await everyItem(pages, (page) => page.SpotInstanceRequests)
      return requests
        .filter(({ State }) => State === 'open' || State === 'active')
        .map(({ SpotInstanceRequestId = '', State, Tags }) => ({
          id: SpotInstanceRequestId,
          state: State,
          tags: Tags,
        }))
    },
    remove: (ec2, id, options) =>
      ec2.send(new CancelSpotInstanceRequestsCommand({ SpotInstanceRequestIds: [id] }), options),
  },
]
