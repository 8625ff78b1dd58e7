import { rm } from 'node:fs/promises'
import type { Cloud, Image } from '#clouds/types.ts'
import type { ArtifactStore } from '#src/artifact/store.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { ErrorFacts } from '#src/events.ts'
import { isSameImage } from '#src/journal/images.ts'
import type { Journal } from '#src/journal/journal.ts'
import type { Requirement } from './outcome.ts'
import { type Retention, type Superfluous, superfluous } from './retention.ts'
import { errorFacts } from './step.ts'

export interface Collected {
  what: 'image' | 'artifact'
  release: string
  arch: string
  /** `cloud/region` of an image, `store` of an artifact. */
  where: string
  /** Name of an image, sha256 of an artifact. */
  name: string
  action: 'removed' | 'would be removed' | 'left' | 'failed'
  why: string
  error?: ErrorFacts
}

/** What a run did, and why each release that stays does. */
export interface Garbage {
  collected: Collected[]
  kept: Superfluous['kept']
}

export interface GarbageOptions {
  retention: Retention
  require: Requirement
  /** Images and artifacts together; what is left because it is in use does not count. */
  limit: number
  dryRun: boolean
}

type Parts = {
  journal: Pick<Journal, 'append' | 'appendAll' | 'state'>
  clouds: ReadonlyMap<string, Cloud>
  store: ArtifactStore
}

/**
 * Removes what no rule keeps, from every cloud and the local store, the oldest first and at most `limit` things: a bad rule
 * costs a few images and not all. The journal says so before and after, so a run that was cut off is finished by the next.
 * What a machine uses is left, and so is what somebody chose meanwhile; one thing that fails does not stop the others.
 */
export async function collectGarbage(
  { journal, clouds, store }: Parts,
  { retention, require, limit, dryRun }: GarbageOptions,
  ctx: Context,
): Promise<Garbage> {
  const look = () => superfluous(journal.state(), retention, { require, now: ctx.now() })
  const found = look()
  const collected: Collected[] = []
  const isFull = () => collected.filter(({ action }) => action !== 'left').length >= limit
  for (const { release, image, why } of found.images) {
    if (isFull()) break
    const isStillOver = () => look().images.some((one) => isSameImage(one.image, image))
    const removal = { release, image, why, isStillOver }
    const step = async () => await removeImage({ journal, clouds }, removal, dryRun, ctx)
    collected.push(await attempt(thingOf(release, image, why), step, ctx))
  }
  for (const { release, artifact, why } of found.artifacts) {
    if (isFull()) break
    const { arch, sha256 } = artifact
    const thing = { what: 'artifact', release, arch, where: 'store', name: sha256, why } as const
    const step = async () => {
      if (dryRun) return 'would be removed' as const
      if (!look().artifacts.some((one) => one.artifact.sha256 === sha256)) return { left: chosenMeanwhile }
      // The record first: a build whose bytes are gone is made again, one that is thought gone only costs space.
      journal.append({ type: 'artifact-removed', release, sha256, why })
      await rm(store.path(sha256), { force: true })
      return 'removed' as const
    }
    collected.push(await attempt(thing, step, ctx))
  }
  return { collected, kept: found.kept }
}

const chosenMeanwhile = 'its release was chosen meanwhile'

/**
 * Nothing is awaited between the last look at the journal and the tombstones: whoever promotes the release after them is
 * refused, whoever did before them keeps the image. Every release that lists the image gets one, so that none of them is
 * promoted without it.
 */
async function removeImage(
  { journal, clouds }: Pick<Parts, 'journal' | 'clouds'>,
  { image, why, isStillOver }: Superfluous['images'][number] & { isStillOver(): boolean },
  dryRun: boolean,
  ctx: Context,
): Promise<Collected['action'] | { left: string }> {
  const { arch, cloud, region, id: imageId } = image
  const images = clouds.get(cloud)?.images
  if (!images) return { left: `the cloud ${cloud} is not in the configuration any more` }
  const use = await images.inUse?.(image, ctx)
  if (use !== undefined) return { left: `in use: ${use}` }
  if (dryRun) return 'would be removed'
  if (!isStillOver()) return { left: chosenMeanwhile }
  const places = journal
    .state()
    .releases.filter((one) => one.images.some((listed) => isSameImage(listed.image, image)))
    .map(({ release }) => ({ release, arch, cloud, region, imageId }))
  journal.appendAll(places.map((place) => ({ type: 'image-removing', ...place, why })))
  await images.remove(image, ctx)
  journal.appendAll(places.map((place) => ({ type: 'image-removed', ...place })))
  return 'removed'
}

async function attempt(
  thing: Omit<Collected, 'action'>,
  step: () => Promise<Collected['action'] | { left: string }>,
  ctx: Context,
): Promise<Collected> {
  try {
    const action = await step()
    return typeof action === 'string' ? { ...thing, action } : { ...thing, action: 'left', why: action.left }
  } catch (caught) {
    ctx.signal.throwIfAborted()
    const failure = asFactoryError(caught)
    if (failure.code === 'fenced' || failure.code === 'journal-broken') throw failure
    const error = errorFacts(failure, (text) => text)
    return { ...thing, action: 'failed', why: error.message, error }
  }
}

function thingOf(release: string, image: Image, why: string): Omit<Collected, 'action'> {
  const { arch, cloud, region, name } = image
  return { what: 'image', release, arch, where: `${cloud}/${region}`, name, why }
}
