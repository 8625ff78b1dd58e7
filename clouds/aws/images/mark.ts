import type { Image as Ami } from '@aws-sdk/client-ec2'
import { imageGone } from '#clouds/image-gone.ts'
import { channelMark, isToBeUsed, readMark } from '#clouds/image-mark.ts'
import type { Image, ImageMark } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { isNotFound } from '../failures.ts'
import type { AwsSettings } from '../settings.ts'
import { marksOf } from '../tags.ts'
import { amiById } from './amis.ts'
import { deprecateAs, isDeprecatedAs } from './deprecation.ts'
import { writeMarks } from './finish.ts'
import { givenOf, launchPermissionsOf, share, unshare } from './sharing.ts'

/**
 * Marks an image: deprecation and sharing first, the tag last, so that one whose marking was cut off does not look
 * marked. A deprecated image still starts machines for those who may; `ignored` takes from others what `share` gave them.
 */
export async function markImage(
  settings: AwsSettings,
  image: Image,
  mark: ImageMark,
  ctx: Context,
): Promise<void> {
  const { configuration } = settings
  const clients = settings.clients(image.region)
  try {
    const ami = await publishedAmi(settings, image, ctx)
    if (!ami) throw imageGone(image)
    if (mark === 'ignored') await unshare(clients, configuration, image.id, ctx)
    await deprecateAs(mark, clients, ami, configuration, ctx)
    if (isToBeUsed(mark)) {
      const wanted = launchPermissionsOf(configuration)
      const given = await givenOf(clients, image.id, wanted, ctx)
      const missing = wanted.filter((permission) => !given.includes(permission))
      await share(clients, configuration, image.id, missing, ctx)
    }
    if (marksOf(ami.Tags)[channelMark] !== mark)
      await writeMarks(clients, image.id, { [channelMark]: mark }, ctx)
  } catch (error) {
    throw isNotFound(error) ? imageGone(image, error) : error
  }
}

/** The mark whose tag an image bears, when it is deprecated and shared as that wants it. */
export async function markOf(
  settings: AwsSettings,
  image: Image,
  ctx: Context,
): Promise<ImageMark | undefined> {
  const { configuration } = settings
  const ami = await publishedAmi(settings, image, ctx)
  const mark = readMark(marksOf(ami?.Tags)[channelMark])
  if (!ami || mark === undefined || !isDeprecatedAs(mark, ami, configuration, ctx.now())) return undefined
  if (!isToBeUsed(mark) && mark !== 'ignored') return mark
  const wanted = launchPermissionsOf(configuration)
  const given = await givenOf(settings.clients(image.region), image.id, wanted, ctx)
  return given.length === (mark === 'ignored' ? 0 : wanted.length) ? mark : undefined
}

async function publishedAmi(
  settings: AwsSettings,
  { id, region, sha256 }: Image,
  ctx: Context,
): Promise<Ami | undefined> {
  const ami = await amiById(settings.clients(region), id, ctx)
  return marksOf(ami?.Tags)['sha256'] === sha256 ? ami : undefined
}
