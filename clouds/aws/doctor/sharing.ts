import { GetImageBlockPublicAccessStateCommand } from '@aws-sdk/client-ec2'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { call } from '../call.ts'
import type { AwsSettings } from '../settings.ts'
import { finding } from './finding.ts'

/** Where images shall be public, whether the account lets them: new accounts do not. */
export async function* lookAtSharing(
  settings: AwsSettings,
  regions: readonly string[],
  ctx: Context,
): AsyncIterable<Finding> {
  if (!settings.configuration.share.public) return
  for (const region of regions) {
    yield await finding(`public images in ${region}`, async () => {
      const { ec2 } = settings.clients(region)
      const { ImageBlockPublicAccessState: state } = await call(
        'looking whether images may be public',
        region,
        ctx,
        (options) => ec2.send(new GetImageBlockPublicAccessStateCommand({}), options),
      )
      if (state === 'unblocked') return { severity: 'ok', message: 'the account lets images be public' }
      const hint = `Turn it off (aws ec2 disable-image-block-public-access --region ${region}), or leave share.public out.`
      return { severity: 'error', message: `block public access is on for images (${state})`, hint }
    })
  }
}
