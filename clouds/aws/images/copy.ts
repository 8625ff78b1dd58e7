import { CopyImageCommand } from '@aws-sdk/client-ec2'
import type { Image, ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { call } from '../call.ts'
import { amiName, clientToken, imageMarks } from './image-marks.ts'
import type { AwsSettings } from '../settings.ts'
import { tagsOf } from '../tags.ts'

/**
 * Has AWS copy an image of the main region to the key's region; returns the copy's id. CopyImage does not mind namesakes,
 * so whoever calls has looked for one; its token makes the call safe to repeat, and only the tags given here are surely
 * there from the beginning, on the copy's snapshot too.
 */
export async function copyImage(
  settings: AwsSettings,
  source: Image,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<string> {
  const clients = settings.clients(key.region)
  const name = amiName(key)
  const tags = tagsOf(imageMarks(key, artifact), name, settings.configuration.tags)
  const request = new CopyImageCommand({
    Name: name,
    Description: `${key.origin.imageName} of the release ${key.release}`,
    SourceImageId: source.id,
    SourceRegion: source.region,
    ClientToken: clientToken(source.id, key.region, JSON.stringify(tags)),
    TagSpecifications: [
      { ResourceType: 'image', Tags: tags },
      { ResourceType: 'snapshot', Tags: tags },
    ],
  })
  const answer = await call(`copying ${source.id} to ${key.region}`, key.region, ctx, (options) =>
    clients.ec2.send(request, options),
  )
  return answer.ImageId!
}
