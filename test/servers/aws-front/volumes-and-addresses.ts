import type { Operation } from './call.ts'
import { describe } from './describe.ts'
import type { View } from './describe.ts'
import { Refusal } from './refusal.ts'
import { items, tagSet, tagsIn, text } from './xml.ts'
import type { Node } from './xml.ts'

/** moto knows these well; the front filters and pages them. */
const volumes: View = {
  action: 'DescribeVolumes',
  set: 'volumeSet',
  idParameter: 'VolumeId',
  kind: undefined,
  pageLimits: [5, 1000],
  notFound: (id) =>
    new Refusal({ code: 'InvalidVolume.NotFound', message: `The volume '${id}' does not exist.` }),
  idOf: (item) => text(item, 'volumeId') ?? '',
  filters: {
    'availability-zone': 'availabilityZone',
    'create-time': 'createTime',
    encrypted: 'encrypted',
    size: 'size',
    'snapshot-id': 'snapshotId',
    status: 'status',
    'volume-id': 'volumeId',
    'volume-type': 'volumeType',
  },
  list: async (call, world) => items((await world.upstream.ec2(call.region, 'DescribeVolumes'))['volumeSet']),
  complete: withTags,
}

const networkInterfaces: View = {
  action: 'DescribeNetworkInterfaces',
  set: 'networkInterfaceSet',
  idParameter: 'NetworkInterfaceId',
  kind: undefined,
  pageLimits: [5, 1000],
  notFound: (id) =>
    new Refusal({
      code: 'InvalidNetworkInterfaceID.NotFound',
      message: `The networkInterface ID '${id}' does not exist`,
    }),
  idOf: (item) => text(item, 'networkInterfaceId') ?? '',
  filters: {
    'attachment.instance-id': 'attachment.instanceId',
    'availability-zone': 'availabilityZone',
    'network-interface-id': 'networkInterfaceId',
    'private-ip-address': 'privateIpAddress',
    status: 'status',
    'subnet-id': 'subnetId',
    'vpc-id': 'vpcId',
  },
  list: async (call, world) =>
    items((await world.upstream.ec2(call.region, 'DescribeNetworkInterfaces'))['networkInterfaceSet']),
  complete: (item) => ({ ...withTags(item), requesterManaged: 'false' }),
}

const addresses: View = {
  action: 'DescribeAddresses',
  set: 'addressesSet',
  idParameter: 'AllocationId',
  kind: undefined,
  pageLimits: [5, 1000],
  notFound: (id) =>
    new Refusal({
      code: 'InvalidAllocationID.NotFound',
      message: `The allocation ID '${id}' does not exist`,
    }),
  idOf: (item) => text(item, 'allocationId') ?? '',
  filters: {
    'allocation-id': 'allocationId',
    'association-id': 'associationId',
    domain: 'domain',
    'instance-id': 'instanceId',
    'network-interface-id': 'networkInterfaceId',
    'private-ip-address': 'privateIpAddress',
    'public-ip': 'publicIp',
  },
  list: async (call, world) =>
    items((await world.upstream.ec2(call.region, 'DescribeAddresses'))['addressesSet']),
  complete: withTags,
}

export const describeVolumes: Operation = (call, world) => describe(call, world, volumes)
export const describeNetworkInterfaces: Operation = (call, world) => describe(call, world, networkInterfaces)
export const describeAddresses: Operation = (call, world) => describe(call, world, addresses)

/** moto writes more than key and value into each tag. */
function withTags(item: Node): Node {
  return { ...item, tagSet: tagSet(tagsIn(item)) }
}
