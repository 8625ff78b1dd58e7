import {
  DescribeImageAttributeCommand,
  type LaunchPermission,
  ModifyImageAttributeCommand,
  ModifySnapshotAttributeCommand,
} from '@aws-sdk/client-ec2'
import type { Context } from '#src/context.ts'
import { amiById, snapshotsOf } from './amis.ts'
import { call } from '../call.ts'
import type { RegionClients } from '../clients.ts'
import type { AwsConfiguration } from '../config.ts'

/** Whom the configuration lets start machines from an image, as AWS writes it. */
export function launchPermissionsOf({ share }: Pick<AwsConfiguration, 'share'>): LaunchPermission[] {
  const { accounts, organizations, public: everybody } = share
  return [
    ...accounts.map((UserId) => ({ UserId })),
    ...organizations.map((arn) =>
      arn.includes(':ou/') ? { OrganizationalUnitArn: arn } : { OrganizationArn: arn },
    ),
    ...(everybody ? [{ Group: 'all' as const }] : []),
  ]
}

/** Gives these permissions, and to the accounts of the configuration the snapshots too: without them nobody can copy the image. */
export async function share(
  clients: RegionClients,
  { share: { accounts } }: Pick<AwsConfiguration, 'share'>,
  id: string,
  permissions: LaunchPermission[],
  ctx: Context,
): Promise<void> {
  await changePermissions(clients, id, { Add: permissions }, ctx)
  await changeSnapshots(clients, id, 'Add', accounts, ctx)
}

/** Takes from an image what the configuration gives; what people gave it by hand stays. */
export async function unshare(
  clients: RegionClients,
  configuration: Pick<AwsConfiguration, 'share'>,
  id: string,
  ctx: Context,
): Promise<void> {
  await changePermissions(clients, id, { Remove: launchPermissionsOf(configuration) }, ctx)
  await changeSnapshots(clients, id, 'Remove', configuration.share.accounts, ctx)
}

/** Changes who may start machines from an image; nothing to change asks nothing. */
export async function changePermissions(
  { ec2, region }: RegionClients,
  ImageId: string,
  change: { Add: LaunchPermission[] } | { Remove: LaunchPermission[] },
  ctx: Context,
): Promise<void> {
  if (Object.values(change).every((permissions) => permissions.length === 0)) return
  await call(`sharing ${ImageId}`, region, ctx, (options) =>
    ec2.send(new ModifyImageAttributeCommand({ ImageId, LaunchPermission: change }), options),
  )
}

/** Those of the permissions that an image has. */
export async function givenOf(
  { ec2, region }: RegionClients,
  ImageId: string,
  permissions: readonly LaunchPermission[],
  ctx: Context,
): Promise<LaunchPermission[]> {
  if (permissions.length === 0) return []
  const { LaunchPermissions = [] } = await call(
    `looking whom ${ImageId} is shared with`,
    region,
    ctx,
    (options) =>
      ec2.send(new DescribeImageAttributeCommand({ ImageId, Attribute: 'launchPermission' }), options),
  )
  const given = new Set(LaunchPermissions.map(nameOf))
  return permissions.filter((permission) => given.has(nameOf(permission)))
}

function nameOf({ UserId, OrganizationArn, OrganizationalUnitArn, Group }: LaunchPermission): string {
  return UserId ?? OrganizationArn ?? OrganizationalUnitArn ?? Group ?? ''
}

async function changeSnapshots(
  clients: RegionClients,
  id: string,
  how: 'Add' | 'Remove',
  accounts: readonly string[],
  ctx: Context,
): Promise<void> {
  if (accounts.length === 0) return
  const { ec2, region } = clients
  const CreateVolumePermission = { [how]: accounts.map((UserId) => ({ UserId })) }
  for (const SnapshotId of snapshotsOf(await amiById(clients, id, ctx)))
    await call(`sharing ${SnapshotId}`, region, ctx, (options) =>
      ec2.send(new ModifySnapshotAttributeCommand({ SnapshotId, CreateVolumePermission }), options),
    )
}
