import type { ImageKey } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { Marks } from '../marks.ts'
import { contentEnding, imageName } from '../names.ts'
import type { IbmSettings } from '../settings.ts'
import { readMarks } from '../tags.ts'
import type { Bucket } from './bucket.ts'
import { contentPrefix } from './object-keys.ts'
import { objectsBelow } from './objects.ts'
import { type VpcImage, imageNamed, ownImages } from './vpc-images.ts'

/** An image that is ours, with the marks that it has got yet: none when whoever asked for it was killed a moment later. */
export interface OwnImage {
  readonly image: VpcImage
  readonly marks: Partial<Marks>
}

/** The clocks of the two services may differ by so much. */
const skewMs = 60_000

/** Our images of a content in a region, in every state, whichever release made them. */
export async function imagesOfContent(
  settings: IbmSettings,
  bucket: Bucket | undefined,
  region: string,
  key: Pick<ImageKey, 'owner' | 'sha256'>,
  ctx: Pick<Context, 'signal'>,
): Promise<OwnImage[]> {
  const ending = contentEnding(key)
  const named = (await ownImages(settings, region, ctx)).filter(({ name }) => name.endsWith(ending))
  const ours: OwnImage[] = []
  for (const image of named) {
    const own = await ownImage(settings, bucket, image, key, ctx)
    if (own) ours.push(own)
  }
  return ours.toSorted((a, b) => a.image.created_at.localeCompare(b.image.created_at))
}

/** Throws when the name that an image of the key would get belongs to an image that is not ours or has other content. */
export async function refuseNamesake(
  settings: IbmSettings,
  bucket: Bucket | undefined,
  key: ImageKey,
  ctx: Pick<Context, 'signal'>,
): Promise<OwnImage | undefined> {
  const name = imageName(key)
  const image = await imageNamed(settings, key.region, name, ctx)
  if (!image) return undefined
  const own = await ownImage(settings, bucket, image, key, ctx)
  if (own) return own
  throw new FactoryError({
    code: 'image-name-taken',
    message: `an image called ${name} is in ${key.region} already (${image.id}), and it is not of this factory or of other content`,
    hint: `Look at it (ibmcloud target -r ${key.region}; ibmcloud is image ${image.id}), delete it or change image.name.`,
    class: 'user',
  })
}

/**
 * The image with its marks when it is ours. One without marks was made by a run that was killed before it could write them:
 * it bears our name, and it is younger than the object that we put into our bucket to make it of. The object stays until
 * the marks are there, so nobody else's image looks like that; one of which VPC says that it has read other bytes does not.
 */
export async function ownImage(
  settings: IbmSettings,
  bucket: Bucket | undefined,
  image: VpcImage,
  { owner, sha256 }: Pick<ImageKey, 'owner' | 'sha256'>,
  ctx: Pick<Context, 'signal'>,
): Promise<OwnImage | undefined> {
  const marks = await readMarks(settings, image.crn, ctx)
  if (marks['owner'] !== undefined)
    return marks['owner'] === owner && marks['sha256'] === sha256 ? { image, marks } : undefined
  const { checksums } = image.file
  if (checksums?.sha256 !== undefined && checksums.sha256 !== sha256) return undefined
  const [object] = bucket ? await objectsBelow(bucket, contentPrefix({ owner, sha256 }), ctx) : []
  const isYounger = object !== undefined && Date.parse(image.created_at) > object.storedAt.getTime() - skewMs
  return isYounger ? { image, marks: {} } : undefined
}
