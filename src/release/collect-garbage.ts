import { rm } from 'node:fs/promises'
import type { Cloud, Image } from '#clouds/types.ts'
import type { ArtifactStore } from '#src/artifact/store.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { ErrorFacts } from '#src/events.ts'
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
  /** Images and artifacts together. */
  limit: number
  dryRun: boolean
}

type Parts = {
  journal: Pick<Journal, 'append' | 'state'>
  clouds: ReadonlyMap<string, Cloud>
  store: ArtifactStore
}

/**
 * Removes what no rule keeps, from every cloud and the local store, the oldest first and at most `limit` things: a bad rule
 * costs a few images and not all. The journal says so before and after, so a run that was cut off is finished by the next.
 * What a machine uses is left; one thing that fails does not stop the others.
 */
export async function collectGarbage(
  { journal, clouds, store }: Parts,
  { retention, require, limit, dryRun }: GarbageOptions,
  ctx: Context,
): Promise<Garbage> {
  const found = superfluous(journal.state(), retention, { require, now: ctx.now() })
  const images = found.images.slice(0, limit)
  const artifacts = found.artifacts.slice(0, limit - images.length)
  const collected: Collected[] = []
  for (const { release, image, why } of images) {
    const thing = thingOf(release, image, why)
    const step = async () => await removeImage({ journal, clouds }, { release, image, why }, dryRun, ctx)
    collected.push(await attempt(thing, step, ctx))
  }
  for (const { release, artifact, why } of artifacts) {
    const { arch, sha256 } = artifact
    const thing = { what: 'artifact', release, arch, where: 'store', name: sha256, why } as const
    const step = async () => {
      if (dryRun) return 'would be removed' as const
      // The record first: a build whose bytes are gone is made again, one that is thought gone only costs space.
      journal.append({ type: 'artifact-removed', release, sha256, why })
      await rm(store.path(sha256), { force: true })
      return 'removed' as const
    }
    collected.push(await attempt(thing, step, ctx))
  }
  return { collected, kept: found.kept }
}

async function removeImage(
  { journal, clouds }: Pick<Parts, 'journal' | 'clouds'>,
  { release, image, why }: Superfluous['images'][number],
  dryRun: boolean,
  ctx: Context,
): Promise<Collected['action'] | { left: string }> {
  const { arch, cloud, region, id: imageId } = image
  const images = clouds.get(cloud)?.images
  if (!images) return { left: `the cloud ${cloud} is not in the configuration any more` }
  const use = await images.inUse?.(image, ctx)
  if (use !== undefined) return { left: `in use: ${use}` }
  if (dryRun) return 'would be removed'
  const place = { release, arch, cloud, region, imageId }
  journal.append({ type: 'image-removing', ...place, why })
  await images.remove(image, ctx)
  journal.append({ type: 'image-removed', ...place })
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
