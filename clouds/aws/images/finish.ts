import { CreateTagsCommand } from '@aws-sdk/client-ec2'
import type { Context } from '#src/context.ts'
import { parseDuration } from '#src/units.ts'
import { call } from '../call.ts'
import type { RegionClients } from '../clients.ts'
import type { AwsSettings } from '../settings.ts'
import { type Marks, tagsOf } from '../tags.ts'
import { deprecateAt } from './deprecation.ts'
import { readyMark } from './image-marks.ts'
import { launchPermissionsOf, share } from './sharing.ts'

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
  await share(clients, configuration, id, launchPermissionsOf(configuration), ctx)
  const { deprecateAfter } = configuration
  if (deprecateAfter !== undefined)
    await deprecateAt(clients, id, ctx.now() + parseDuration(deprecateAfter)!, ctx)
  await writeMarks(clients, id, { [readyMark]: 'yes' }, ctx)
}

/** Sets marks on an image that is there, in place of those of the same names. */
export async function writeMarks(
  { ec2, region }: RegionClients,
  id: string,
  marks: Marks,
  ctx: Context,
): Promise<void> {
  const Tags = tagsOf(marks, '', {}).filter(({ Key }) => Key !== 'Name')
  await call(`marking ${id}`, region, ctx, (options) =>
    ec2.send(new CreateTagsCommand({ Resources: [id], Tags }), options),
  )
}
