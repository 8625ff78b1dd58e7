import type { Image as Ami } from '@aws-sdk/client-ec2'
import type { Image, ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { amiById, amiNamed, amisWith } from './amis.ts'
import { copyImage } from './copy.ts'
import { finishImage } from './finish.ts'
import { amiName, contentMarks, imageFromAmi, readyMark } from './image-marks.ts'
import { importSnapshot } from './import.ts'
import { ownNamesake, registerImage, waitUntilAvailable } from './register.ts'
import { removeImage } from './remove.ts'
import type { AwsSettings } from '../settings.ts'
import { makeSnapshot } from './snapshot.ts'

/** A ready image with this content; half-made ones are not seen. */
export async function findImage(
  settings: AwsSettings,
  key: ImageKey,
  ctx: Context,
): Promise<Image | undefined> {
  const marks = { ...contentMarks(key), arch: key.arch, [readyMark]: 'yes' }
  const amis = await amisWith(settings.clients(key.region), marks, ctx)
  const available = amis.filter(({ State }) => State === 'available')
  const oldest = available.toSorted((a, b) => (a.CreationDate ?? '').localeCompare(b.CreationDate ?? ''))[0]
  return oldest && imageFromAmi(settings.name, key.region, oldest)
}

/** Makes the image of an artifact in the main region, or goes on with one that was begun there. */
export async function makeImage(
  settings: AwsSettings,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<Image> {
  // A name that is taken is said before gigabytes have been sent for it.
  await refuseNamesake(settings, key, ctx)
  return await finish(settings, await makeAmi(settings, artifact, key, ctx), key, ctx)
}

/** The copy of an image of the main region in another one. */
export async function makeCopy(
  settings: AwsSettings,
  source: Image,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<Image> {
  await refuseNamesake(settings, key, ctx)
  const { begun, failed } = await begunImages(settings, key, ctx)
  for (const one of failed) await removeImage(settings, key.region, one, ctx)
  const id = begun ?? (await copyImage(settings, source, artifact, key, failed, ctx))
  return await finish(settings, id, key, ctx)
}

async function refuseNamesake(settings: AwsSettings, key: ImageKey, ctx: Context): Promise<void> {
  const namesake = await amiNamed(settings.clients(key.region), amiName(key), ctx)
  if (namesake) ownNamesake(namesake, key)
}

/** What earlier tries made of this content and did not finish: one that can be gone on with, and those that failed. */
async function begunImages(
  settings: AwsSettings,
  key: ImageKey,
  ctx: Context,
): Promise<{ begun: string | undefined; failed: string[] }> {
  const half = await amisWith(settings.clients(key.region), { ...contentMarks(key), arch: key.arch }, ctx)
  const lives = ({ State }: Ami) => State === 'available' || State === 'pending'
  const ids = (amis: Ami[]) => amis.flatMap(({ ImageId }) => ImageId ?? []).toSorted()
  return { begun: half.find(lives)?.ImageId, failed: ids(half.filter((ami) => !lives(ami))) }
}

async function makeAmi(
  settings: AwsSettings,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<string> {
  const { begun, failed } = await begunImages(settings, key, ctx)
  // They hold the name.
  for (const one of failed) await removeImage(settings, key.region, one, ctx)
  if (begun !== undefined) return begun
  const make = settings.configuration.method === 's3' ? importSnapshot : makeSnapshot
  const snapshotId = await make(settings, artifact, key, ctx)
  return await registerImage(settings, artifact, key, snapshotId, ctx)
}

async function finish(settings: AwsSettings, id: string, key: ImageKey, ctx: Context): Promise<Image> {
  const clients = settings.clients(key.region)
  await waitUntilAvailable(clients, id, ctx)
  await finishImage(settings, key.region, id, ctx)
  const ami = await amiById(clients, id, ctx)
  const image = ami && imageFromAmi(settings.name, key.region, ami)
  if (!image) throw new Error(`${id} in ${key.region} has lost its tags`)
  return image
}
