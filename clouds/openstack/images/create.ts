import type { ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { statusOf } from '../failures.ts'
import type { OpenstackSettings } from '../settings.ts'
import { type GlanceImage, glanceImage, imageById } from './glance.ts'
import {
  contentProperties,
  imageId,
  imageName,
  machineProperties,
  markProperties,
  minDisk,
} from './image-properties.ts'

/** Removed ones keep their ids for ever; nobody removes the same image so often. */
const mostAttempts = 100

/**
 * Makes an image without content, hidden and private until it is whole. The id is ours, so a repeated call makes no second
 * one: it is refused, and the first is there to be found.
 */
export async function createImage(
  settings: OpenstackSettings,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<GlanceImage> {
  const { session, configuration } = settings
  const { region, format, arch } = key
  const { project } = await session.token(ctx)
  for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
    const id = imageId(key, attempt)
    const json = {
      ...machineProperties(configuration, arch),
      ...markProperties(key, artifact),
      id,
      name: imageName(key),
      disk_format: format,
      container_format: 'bare',
      visibility: 'private',
      os_hidden: true,
      min_disk: minDisk(artifact),
    }
    const what = `making the image ${imageName(key)}`
    try {
      const request = {
        service: 'image',
        region,
        what,
        method: 'POST',
        path: '/images',
        json,
        repeatable: true,
      } as const
      return await session.json(request, glanceImage, ctx)
    } catch (error) {
      if (statusOf(error) !== 409) throw error
      const made = await imageById(settings, region, id, ctx)
      if (made && made.owner === project.id && isOfContent(made, key)) return made
      if (made) throw taken(made, region)
    }
  }
  throw new FactoryError({
    code: 'openstack-image-failed',
    message: `the image ${imageName(key)} was made and removed ${mostAttempts} times in ${region}`,
    hint: 'Release under another name (image.name of the configuration).',
    class: 'user',
  })
}

function isOfContent(image: GlanceImage, key: ImageKey): boolean {
  return Object.entries(contentProperties(key)).every(([name, value]) => image[name] === value)
}

function taken({ id }: GlanceImage, region: string): FactoryError {
  return new FactoryError({
    code: 'image-name-taken',
    message: `the id ${id} in ${region} belongs to an image that this factory did not make`,
    hint: `Look at it (openstack image show ${id}) and remove it, or change image.name.`,
    class: 'user',
  })
}
