import type { Image, ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import type { Marks } from '../marks.ts'
import type { IbmSettings } from '../settings.ts'
import { attachMarks, readMarks } from '../tags.ts'
import { importedImage } from './await-image.ts'
import { type OwnImage, imagesOfContent, refuseNamesake } from './begun.ts'
import type { Bucket } from './bucket.ts'
import { imageFrom, imageMarks, isUsable } from './image-marks.ts'
import { importFacts, startImport } from './import.ts'
import type { StoredObject } from './objects.ts'
import { removeVpcImage } from './remove.ts'
import { ownImages } from './vpc-images.ts'

/** A usable image with this content; half-made ones are not seen. VPC tells of each what it has read, so nobody has to ask for marks of others. */
export async function findImage(
  settings: IbmSettings,
  key: ImageKey,
  ctx: Pick<Context, 'signal'>,
): Promise<Image | undefined> {
  const images = await ownImages(settings, key.region, ctx)
  const same = images.filter(({ file }) => file.checksums?.sha256 === key.sha256)
  for (const image of same.toSorted((a, b) => a.created_at.localeCompare(b.created_at))) {
    const marks = await readMarks(settings, image.crn, ctx)
    const isOurs = marks['owner'] === key.owner && marks['arch'] === key.arch
    if (!isOurs || !isUsable(image, marks)) continue
    const found = imageFrom(settings.name, key.region, image, marks)
    if (found) return found
  }
  return undefined
}

/** Makes the image of an artifact in one region, or goes on with one that was begun there. `object` is asked for the file when there is none. */
export async function makeImage(
  settings: IbmSettings,
  bucket: Bucket,
  artifact: Artifact,
  key: ImageKey,
  object: () => Promise<StoredObject>,
  ctx: Context,
): Promise<Image> {
  // A name that is taken is said before gigabytes have been sent for it.
  await refuseNamesake(settings, bucket, key, ctx)
  const begun = await goneOnWith(settings, bucket, key, ctx)
  const id = begun?.image.id ?? (await begin(settings, bucket, key, object, ctx))
  return await finish(settings, artifact, key, id, ctx)
}

async function begin(
  settings: IbmSettings,
  bucket: Bucket,
  key: ImageKey,
  object: () => Promise<StoredObject>,
  ctx: Context,
): Promise<string> {
  const facts = await importFacts(settings, key, ctx)
  return await startImport(settings, bucket, key, facts, await object(), ctx)
}

/** The image that an earlier try began and that may become whole; those that cannot are removed, for they hold the name. */
async function goneOnWith(
  settings: IbmSettings,
  bucket: Bucket,
  key: ImageKey,
  ctx: Context,
): Promise<OwnImage | undefined> {
  let good: OwnImage | undefined
  for (const own of await imagesOfContent(settings, bucket, key.region, key, ctx)) {
    if (!good && /^(pending|available|deprecated)$/.test(own.image.status)) good = own
    else await removeVpcImage(settings, key.region, own.image, ctx)
  }
  return good
}

/** The marks come at once, so that the image is known to be ours while it is imported; only what was read right counts in the end. */
async function finish(
  settings: IbmSettings,
  artifact: Artifact,
  key: ImageKey,
  id: string,
  ctx: Context,
): Promise<Image> {
  const marks = imageMarks(key, artifact)
  const image = await importedImage(settings, key, id, ctx, async ({ crn }) => {
    const known = await readMarks(settings, crn, ctx)
    if (known['owner'] === undefined) await attachMarks(settings, [crn], marks, ctx)
  })
  const imageWith = (its: Partial<Marks>) => imageFrom(settings.name, key.region, image, its)
  const made = imageWith(await readMarks(settings, image.crn, ctx))
  if (made) return made
  // Somebody has taken the marks off meanwhile.
  await attachMarks(settings, [image.crn], marks, ctx)
  return imageWith(marks)!
}
