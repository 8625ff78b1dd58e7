import { DeregisterImageCommand } from '@aws-sdk/client-ec2'
import type { Context } from '#src/context.ts'
import { amiById, snapshotsOf } from './amis.ts'
import { call } from '../call.ts'
import { awsErrorName } from '../failures.ts'
import type { AwsSettings } from '../settings.ts'
import { deleteSnapshot } from './snapshots.ts'

/** Deregisters an image and deletes what it stood on, unless another image does too. */
export async function removeImage(
  settings: AwsSettings,
  region: string,
  id: string,
  ctx: Context,
): Promise<void> {
  const clients = settings.clients(region)
  const snapshots = snapshotsOf(await amiById(clients, id, ctx))
  await call(`deregistering ${id}`, region, ctx, async (options) => {
    try {
      await clients.ec2.send(new DeregisterImageCommand({ ImageId: id }), options)
    } catch (error) {
      if (!/^InvalidAMIID\.(NotFound|Unavailable)$/.test(awsErrorName(error))) throw error
    }
  })
  for (const snapshot of snapshots) await deleteSnapshot(clients, snapshot, ctx)
}
