import {
  CancelSpotInstanceRequestsCommand,
  CopyImageCommand,
  DeleteNetworkInterfaceCommand,
  DeleteSnapshotCommand,
  DeleteVolumeCommand,
  DeregisterImageCommand,
  DescribeImageAttributeCommand,
  DisableImageDeprecationCommand,
  EnableImageDeprecationCommand,
  GetConsoleOutputCommand,
  ModifyImageAttributeCommand,
  ModifySnapshotAttributeCommand,
  RegisterImageCommand,
  type RegisterImageCommandInput,
  ReleaseAddressCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import type { RegionClients } from '../clients.ts'
import type { Probe } from './signals.ts'

const DryRun = true
/** Ids that nothing has. */
const digits = '0123456789abcdef0'
export const nothing = {
  instance: `i-${digits}`,
  volume: `vol-${digits}`,
  'network-interface': `eni-${digits}`,
  'elastic-ip': `eipalloc-${digits}`,
  'spot-instances-request': 'sir-01234567',
  snapshot: `snap-${digits}`,
  image: `ami-${digits}`,
} as const

/** Whether the very machine that a release would ask for would be given: first without its marks, then with them. */
export function machineDryRuns({ ec2 }: RegionClients, request: RunInstancesCommandInput): Probe[] {
  const { TagSpecifications: _marks, ...unmarked } = request
  return [
    {
      action: 'ec2:RunInstances',
      by: 'dry run',
      send: (o) => ec2.send(new RunInstancesCommand({ ...unmarked, DryRun }), o),
    },
    {
      action: 'ec2:CreateTags',
      by: 'dry run',
      send: (o) => ec2.send(new RunInstancesCommand({ ...request, DryRun }), o),
    },
  ]
}

/** Whether an image that is there may be copied to this region. */
export function copyDryRun({ ec2 }: RegionClients, sourceId: string, sourceRegion: string): Probe {
  const input = { Name: 'factory-doctor', SourceImageId: sourceId, SourceRegion: sourceRegion, DryRun }
  return { action: 'ec2:CopyImage', by: 'dry run', send: (o) => ec2.send(new CopyImageCommand(input), o) }
}

/** What may be done with a snapshot; a real one when the canary has made it. */
export function snapshotDryRuns({ ec2 }: RegionClients, SnapshotId: string, account: string): Probe[] {
  const by = SnapshotId === nothing.snapshot ? 'dry run on nothing' : 'dry run'
  const CreateVolumePermission = { Add: [{ UserId: account }] }
  return [
    {
      action: 'ec2:DeleteSnapshot',
      by,
      send: (o) => ec2.send(new DeleteSnapshotCommand({ SnapshotId, DryRun }), o),
    },
    {
      action: 'ec2:ModifySnapshotAttribute',
      by,
      send: (o) =>
        ec2.send(new ModifySnapshotAttributeCommand({ SnapshotId, CreateVolumePermission, DryRun }), o),
    },
  ]
}

export function registerDryRun({ ec2 }: RegionClients, SnapshotId: string, device: string): Probe {
  const input: RegisterImageCommandInput = {
    Name: 'factory-doctor',
    Architecture: 'x86_64',
    VirtualizationType: 'hvm',
    BootMode: 'uefi-preferred',
    RootDeviceName: device,
    BlockDeviceMappings: [{ DeviceName: device, Ebs: { SnapshotId, VolumeType: 'gp3' } }],
    DryRun,
  }
  const by = SnapshotId === nothing.snapshot ? 'dry run on nothing' : 'dry run'
  return { action: 'ec2:RegisterImage', by, send: (o) => ec2.send(new RegisterImageCommand(input), o) }
}

/**
 * What only ever happens to things of ours is asked about things that do not exist: an emulator or a proxy that takes a
 * dry run for the real thing then ends nothing.
 */
export function dryRunsOnNothing({ ec2 }: RegionClients, account: string): Probe[] {
  const LaunchPermission = { Add: [{ UserId: account }] }
  const DeprecateAt = new Date(Date.now() + 86_400_000)
  const [ImageId, InstanceId] = [nothing.image, nothing.instance]
  const runs: [string, Probe['send']][] = [
    [
      'TerminateInstances',
      (o) => ec2.send(new TerminateInstancesCommand({ InstanceIds: [InstanceId], DryRun }), o),
    ],
    ['GetConsoleOutput', (o) => ec2.send(new GetConsoleOutputCommand({ InstanceId, DryRun }), o)],
    ['DeleteVolume', (o) => ec2.send(new DeleteVolumeCommand({ VolumeId: nothing.volume, DryRun }), o)],
    [
      'DeleteNetworkInterface',
      (o) =>
        ec2.send(
          new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: nothing['network-interface'], DryRun }),
          o,
        ),
    ],
    [
      'ReleaseAddress',
      (o) => ec2.send(new ReleaseAddressCommand({ AllocationId: nothing['elastic-ip'], DryRun }), o),
    ],
    [
      'CancelSpotInstanceRequests',
      (o) =>
        ec2.send(
          new CancelSpotInstanceRequestsCommand({
            SpotInstanceRequestIds: [nothing['spot-instances-request']],
            DryRun,
          }),
          o,
        ),
    ],
    ['DeregisterImage', (o) => ec2.send(new DeregisterImageCommand({ ImageId, DryRun }), o)],
    [
      'ModifyImageAttribute',
      (o) => ec2.send(new ModifyImageAttributeCommand({ ImageId, LaunchPermission, DryRun }), o),
    ],
    [
      'EnableImageDeprecation',
      (o) => ec2.send(new EnableImageDeprecationCommand({ ImageId, DeprecateAt, DryRun }), o),
    ],
    ['DisableImageDeprecation', (o) => ec2.send(new DisableImageDeprecationCommand({ ImageId, DryRun }), o)],
    [
      'DescribeImageAttribute',
      (o) =>
        ec2.send(new DescribeImageAttributeCommand({ ImageId, Attribute: 'launchPermission', DryRun }), o),
    ],
  ]
  return runs.map(([name, send]) => ({ action: `ec2:${name}`, by: 'dry run on nothing', send }))
}
