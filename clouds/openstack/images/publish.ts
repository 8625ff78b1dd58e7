import type { Image, ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import type { OpenstackSettings } from '../settings.ts'
import { bringContent } from './arrive.ts'
import { createImage } from './create.ts'
import { finishImage } from './finish.ts'
import { type GlanceImage, imageById, imagesNamed, imagesWith } from './glance.ts'
import { type Hold, isBusy, isWorkedOn, othersAtWork, settled } from './hold.ts'
import { contentProperties, imageFromGlance, imageName, isReady, readyProperty } from './image-properties.ts'
import { assertMethod } from './import.ts'
import { deleteImage, takeBack } from './remove.ts'

const cleanUpLimitMs = 60_000
/** So long another factory is waited for that sends the same content; a proxy may hold on as long to a sender that is gone. */
const othersLimitMs = 30 * 60_000

/** The complete image with this content, the oldest of several. */
export async function findImage(
  settings: OpenstackSettings,
  key: ImageKey,
  ctx: Context,
): Promise<Image | undefined> {
  const ready = (await imagesOfContent(settings, key, ctx)).filter(isReady)
  const [oldest] = ready.toSorted((a, b) => a.created_at.localeCompare(b.created_at))
  return oldest && imageFromGlance(settings.name, key.region, oldest)
}

/**
 * Makes the image of an artifact: a hidden one without content, the content, its digest compared, and only then the mark
 * that makes it count. What was cut off before is gone on with where nothing is lost by it, and else made anew.
 */
export async function publishImage(
  settings: OpenstackSettings,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<Image> {
  const known = await findImage(settings, key, ctx)
  if (known) return known
  await refuseNamesake(settings, key, ctx)
  await assertMethod(settings, key.region, ctx)
  const begun = (await begunImage(settings, key, ctx)) ?? (await createImage(settings, artifact, key, ctx))
  // Another factory that made the same image may be about to finish it.
  const hold: Hold = { isOurs: begun.status !== 'active' }
  try {
    await bringContent(settings, begun, { artifact, key, hold }, ctx)
    await finishImage(settings, key.region, begun.id, ctx)
  } catch (error) {
    const isWrong = error instanceof FactoryError && error.code === 'openstack-image-differs'
    if (hold.isOurs || isWrong) await withdraw(settings, key.region, begun.id, ctx)
    throw error
  }
  const made = await imageById(settings, key.region, begun.id, ctx)
  const image = made && isReady(made) ? imageFromGlance(settings.name, key.region, made) : undefined
  if (image) return image
  throw new FactoryError({
    code: 'openstack-image-failed',
    message: `the image ${begun.id} in ${key.region} was finished and is not there any more`,
    hint: 'Somebody else works on the images of this project. Run the same command again: it is made once more.',
    class: 'infra',
  })
}

async function imagesOfContent(
  settings: OpenstackSettings,
  key: ImageKey,
  ctx: Context,
): Promise<GlanceImage[]> {
  const properties = { ...contentProperties(key), factory_arch: key.arch }
  return await imagesWith(settings, key.region, properties, ctx)
}

/** A name that is taken is said before gigabytes have been sent for it. */
async function refuseNamesake(settings: OpenstackSettings, key: ImageKey, ctx: Context): Promise<void> {
  const { project } = await settings.session.token(ctx)
  const ours = contentProperties(key)
  const name = imageName(key)
  const foreign = (await imagesNamed(settings, key.region, name, ctx)).find(
    (image) =>
      image.owner !== project.id || Object.entries(ours).some(([word, value]) => image[word] !== value),
  )
  if (!foreign) return
  throw new FactoryError({
    code: 'image-name-taken',
    message: `an image called ${name} is in ${key.region} already (${foreign.id}), and it is not of this factory or of other content`,
    hint: `Look at it (openstack image show ${foreign.id}), rename or remove it, or change image.name.`,
    class: 'user',
  })
}

/** What an earlier try left and can be gone on with; all else of it is removed. */
async function begunImage(
  settings: OpenstackSettings,
  key: ImageKey,
  ctx: Context,
): Promise<GlanceImage | undefined> {
  let usable: GlanceImage | undefined
  for (const found of await imagesOfContent(settings, key, ctx)) {
    const { id } = found
    if (isBusy(found)) ctx.emit({ message: `waiting for what is sent into ${id} in ${key.region}` })
    const image = await settled(settings, key.region, id, ctx, othersLimitMs)
    if (!image) continue
    if (isWorkedOn(image, ctx)) throw othersAtWork(id, key.region, image)
    const isAside = image.status === 'deactivated' && image[readyProperty] === undefined
    if (!usable && (image.status === 'queued' || image.status === 'active')) usable = image
    else if (!usable && isAside) usable = await takeBack(settings, key.region, id, ctx)
    else await deleteImage(settings, key.region, id, ctx)
  }
  return usable
}

/** Takes back what did not become whole; also after Ctrl-C, so it has its own deadline. */
async function withdraw(
  settings: OpenstackSettings,
  region: string,
  id: string,
  ctx: Context,
): Promise<void> {
  const own = { ...ctx, signal: AbortSignal.timeout(cleanUpLimitMs) }
  try {
    const image = await imageById(settings, region, id, own)
    if (image && !isReady(image)) await deleteImage(settings, region, id, own)
  } catch (error) {
    const why = asFactoryError(error).message
    ctx.log(`${id} in ${region} is left half-made; the next publish or factory reap removes it. ${why}`)
  }
}
