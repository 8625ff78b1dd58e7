import type { Resource } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { contentEnding, isImageNameOf } from '../names.ts'
import type { IbmSettings } from '../settings.ts'
import { readMarks } from '../tags.ts'
import { ownImage } from './begun.ts'
import { type Bucket, openBucket } from './bucket.ts'
import { isNeeded } from './bucket-content.ts'
import { wasUsable } from './image-marks.ts'
import { type ObjectName, ownerPrefix, readObjectKey } from './object-keys.ts'
import { objectsBelow, removeObject } from './objects.ts'
import { removeVpcImage } from './remove.ts'
import { type Upload, abortUpload, lastMoved, uploadsBelow } from './uploads.ts'
import { imageById, ownImages } from './vpc-images.ts'

/**
 * After this nobody works on a publish any more: the engine gives one two hours, and one more is for clocks that differ
 * and for a machine that slept meanwhile.
 */
const publishingMs = 3 * 3_600_000
const idForm = /^cos:\/\/([^/]+)\/([^#]+)(?:#(.+))?$/

/** Images of a region that never became whole, with marks or, from a run that was killed at the wrong moment, without. */
export async function* halfMadeImages(
  settings: IbmSettings,
  region: string,
  owner: string,
  ctx: Context,
): AsyncIterable<Resource> {
  const bucket = openBucket(settings)
  const images = (await ownImages(settings, region, ctx)).filter(({ name }) => isImageNameOf(name, owner))
  for (const image of images) {
    const marks = await readMarks(settings, image.crn, ctx)
    if (image.status === 'deleting' || (marks['owner'] === owner && wasUsable(image, marks))) continue
    const origin = marks['owner'] === owner ? marks : await originOf(settings, bucket, image.name, owner, ctx)
    if (!origin) continue
    const { release, arch } = origin
    const facts = { kind: 'image', id: image.id, region, owner, state: image.status } as const
    yield { ...facts, ...known({ release, arch }), ...endOf(new Date(image.created_at)) }
  }
}

/** What is in the bucket: parts, and whole objects. */
export async function* findInBucket(
  settings: IbmSettings,
  owner: string,
  ctx: Context,
): AsyncIterable<Resource> {
  const bucket = openBucket(settings)
  if (!bucket) return
  for (const upload of await uploadsBelow(bucket, ownerPrefix(owner), ctx)) {
    const since = await lastMoved(bucket, upload, ctx)
    if (since) yield inBucket(bucket, owner, `${upload.key}#${upload.id}`, since, 'unfinished')
  }
  for (const { key, storedAt } of await objectsBelow(bucket, ownerPrefix(owner), ctx))
    yield inBucket(bucket, owner, key, storedAt, 'whole')
}

/** Removes a leftover, unless it has become whole meanwhile or, in the bucket, is still needed. */
export async function discardLeftover(
  settings: IbmSettings,
  leftover: Resource,
  ctx: Context,
): Promise<void> {
  const { id, region, owner = settings.owner } = leftover
  const [, name, key, uploadId] = idForm.exec(id) ?? []
  if (key === undefined) return await discardImage(settings, region, id, owner, ctx)
  const bucket = openBucket(settings)
  if (!bucket || name !== bucket.name) return
  if (uploadId !== undefined) return await discardUpload(bucket, { key, id: uploadId }, leftover, ctx)
  const content = readObjectKey(key)
  // While there is an image without marks, the object alone shows whose it is.
  if (content && !(await isNeeded(settings, bucket, content, ctx))) await removeObject(bucket, key, ctx)
}

/** A part that came since it was found is from somebody who goes on with it. */
async function discardUpload(
  bucket: Bucket,
  upload: Upload,
  { expires }: Resource,
  ctx: Context,
): Promise<void> {
  const since = await lastMoved(bucket, upload, ctx)
  const isMoving = since !== undefined && expires !== undefined && endOf(since).expires! > expires
  if (!isMoving) await abortUpload(bucket, upload, ctx)
}

async function discardImage(
  settings: IbmSettings,
  region: string,
  id: string,
  owner: string,
  ctx: Context,
): Promise<void> {
  const image = await imageById(settings, region, id, ctx)
  if (!image || !isImageNameOf(image.name, owner)) return
  const marks = await readMarks(settings, image.crn, ctx)
  if (
    marks['owner'] === owner
      ? wasUsable(image, marks)
      : !(await originOf(settings, openBucket(settings), image.name, owner, ctx))
  )
    return
  await removeVpcImage(settings, region, image, ctx)
}

/** What the object says that an image without marks was made of; undefined when there is none, or the image bears marks of others. */
async function originOf(
  settings: IbmSettings,
  bucket: Bucket | undefined,
  name: string,
  owner: string,
  ctx: Context,
): Promise<ObjectName | undefined> {
  if (!bucket) return undefined
  for (const object of await objectsBelow(bucket, ownerPrefix(owner), ctx)) {
    const content = readObjectKey(object.key)
    if (!content || !name.endsWith(contentEnding(content))) continue
    for (const region of settings.regions) {
      const image = (await ownImages(settings, region, ctx)).find((each) => each.name === name)
      if (image && (await ownImage(settings, bucket, image, content, ctx))) return content
    }
  }
  return undefined
}

function inBucket(
  { name, region }: Bucket,
  owner: string,
  place: string,
  since: Date,
  state: string,
): Resource {
  const { release, arch } = readObjectKey(place.replace(/#.*/, '')) ?? {}
  const facts = { kind: 'image', id: `cos://${name}/${place}`, region, owner, state } as const
  return { ...facts, ...known({ release, arch }), ...endOf(since) }
}

/** When surely nobody works on something any more at which somebody worked at that time. */
function endOf(since: Date): Pick<Resource, 'expires'> {
  return { expires: new Date(since.getTime() + publishingMs).toISOString() }
}

function known(words: Record<string, string | undefined>): Partial<Resource> {
  return Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined))
}
