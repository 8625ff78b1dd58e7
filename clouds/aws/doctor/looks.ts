import {
  DescribeAddressesCommand,
  DescribeImagesCommand,
  DescribeInstanceTypesCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSnapshotsCommand,
  DescribeSpotInstanceRequestsCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
} from '@aws-sdk/client-ec2'
import { GetServiceQuotaCommand } from '@aws-sdk/client-service-quotas'
import type { RegionClients } from '../clients.ts'
import { processorQuotas } from './quotas.ts'
import type { Probe } from './signals.ts'

/** Looks are harmless, so they are simply done, a small page of each. */
export function looksIn({ ec2, quotas }: RegionClients): Probe[] {
  const small = { MaxResults: 5 }
  const looks: [string, Probe['send']][] = [
    ['DescribeImages', (o) => ec2.send(new DescribeImagesCommand({ Owners: ['self'], ...small }), o)],
    ['DescribeSnapshots', (o) => ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'], ...small }), o)],
    ['DescribeInstanceTypes', (o) => ec2.send(new DescribeInstanceTypesCommand(small), o)],
    ['DescribeInstances', (o) => ec2.send(new DescribeInstancesCommand(small), o)],
    ['DescribeVolumes', (o) => ec2.send(new DescribeVolumesCommand(small), o)],
    ['DescribeNetworkInterfaces', (o) => ec2.send(new DescribeNetworkInterfacesCommand(small), o)],
    ['DescribeAddresses', (o) => ec2.send(new DescribeAddressesCommand({}), o)],
    ['DescribeSpotInstanceRequests', (o) => ec2.send(new DescribeSpotInstanceRequestsCommand(small), o)],
    ['DescribeSubnets', (o) => ec2.send(new DescribeSubnetsCommand(small), o)],
    ['DescribeSecurityGroups', (o) => ec2.send(new DescribeSecurityGroupsCommand(small), o)],
  ]
  return [
    ...looks.map(([name, send]) => ({ action: `ec2:${name}`, by: 'call', send }) as const),
    {
      action: 'servicequotas:GetServiceQuota',
      by: 'call',
      send: (o) => quotas.send(new GetServiceQuotaCommand(processorQuotas.onDemand), o),
    },
  ]
}
