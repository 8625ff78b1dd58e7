import {
  CreateTagsCommand,
  EnableImageDeprecationCommand,
  ModifyImageAttributeCommand,
  ModifySnapshotAttributeCommand,
} from '@aws-sdk/client-ec2'
import type { Context } from '#src/context.ts'
import { parseDuration } from '#src/units.ts'
import { amiById, snapshotsOf } from './amis.ts'
import { call } from '../call.ts'
import type { AwsConfiguration } from '../config.ts'
import type { RegionClients } from '../clients.ts'
import { readyMark } from './image-marks.ts'
import type { AwsSettings } from '../settings.ts'
import { tagsOf } from '../tags.ts'

/**
 * Shares a new image as configured, says when it will be deprecated, and marks it as ready: the last thing, so that one
 * whose making was cut off here is gone on with and not taken for done. Every call may be repeated.
 */
export async function finishImage(
  settings: AwsSettings,
  region: string,
  id: string,
  ctx: Context,
): Promise<void> {
  const { configuration } = settings
  const clients = settings.clients(region)
  await share(clients, configuration, id, ctx)
  const { deprecateAfter } = configuration
  if (deprecateAfter !== undefined) {
    const DeprecateAt = new Date(ctx.now() + parseDuration(deprecateAfter)!)
    await call(`deprecating ${id}`, region, ctx, (options) =>
      clients.ec2.send(new EnableImageDeprecationCommand({ ImageId: id, DeprecateAt }), options),
    )
  }
  const Tags = tagsOf({ [readyMark]: 'yes' }, '', {}).filter(({ Key }) => Key !== 'Name')
  await call(`marking ${id}`, region, ctx, (options) =>
    clients.ec2.send(new CreateTagsCommand({ Resources: [id], Tags }), options),
  )
}

async function share(
  clients: RegionClients,
  configuration: AwsConfiguration,
  id: string,
  ctx: Context,
): Promise<void> {
  const { accounts, organizations, public: everybody } = configuration.share
  const add = [
    ...accounts.map((UserId) => ({ UserId })),
    ...organizations.map((arn) =>
      arn.includes(':ou/') ? { OrganizationalUnitArn: arn } : { OrganizationArn: arn },
    ),
    ...(everybody ? [{ Group: 'all' as const }] : []),
  ]
  if (add.length === 0) return
  const { ec2, region } = clients
  await call(`sharing ${id}`, region, ctx, (options) =>
    ec2.send(new ModifyImageAttributeCommand({ ImageId: id, LaunchPermission: { Add: add } }), options),
  )
  if (accounts.length === 0) return
  // To copy an image, an account must also be able to read its snapshot.
  const ami = await amiById(clients, id, ctx)
  for (const snapshotId of snapshotsOf(ami)) {
    const CreateVolumePermission = { Add: accounts.map((UserId) => ({ UserId })) }
    await call(`sharing ${snapshotId}`, region, ctx, (options) =>
      ec2.send(
        new ModifySnapshotAttributeCommand({ SnapshotId: snapshotId, CreateVolumePermission }),
        options,
      ),
    )
  }
}
