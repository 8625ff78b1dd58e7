import { CopyImageCommand } from '@aws-sdk/client-ec2'
import type { Image, ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { answered } from '../answer.ts'
import { call } from '../call.ts'
import { until } from '../wait.ts'
import { amiById } from './amis.ts'
import { amiName, clientToken, imageMarks } from './image-marks.ts'
import type { AwsSettings } from '../settings.ts'
import { tagsOf } from '../tags.ts'

const visibleLimitMs = 132_000

/**
 * Has AWS copy an image of the main region to the key's region; returns the copy's id. CopyImage does not mind namesakes,
 * so whoever calls has looked for one; its token makes the call safe to repeat, and only the tags given here are surely
 * there from the beginning, on the copy's snapshot too. The token of a copy that failed or was removed only gives that one
 * back, so those that are known to be `gone` are part of it.
 */
export async function copyImage(
  settings: AwsSettings,
  source: Image,
  artifact: Artifact,
  key: ImageKey,
  gone: readonly string[],
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
    ClientToken: clientToken(source.id, key.region, JSON.stringify(tags), ...gone),
    TagSpecifications: [
      { ResourceType: 'image', Tags: tags },
      { ResourceType: 'snapshot', Tags: tags },
    ],
  })
  const what = `copying ${source.id} to ${key.region}`
  const answer = await call(what, key.region, ctx, (options) => clients.ec2.send(request, options))
  const id = answered(answer.ImageId, what, key.region)
  const copy = await until(id, visibleLimitMs, ctx, () => amiById(clients, id, ctx)).catch(
    (error: unknown) => {
      if (asFactoryError(error).code !== 'aws-too-slow' || gone.length > 3) throw error
      return undefined
    },
  )
  if (copy?.State === 'available' || copy?.State === 'pending') return id
  return await copyImage(settings, source, artifact, key, [...gone, id], ctx)
}
