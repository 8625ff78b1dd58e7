import type { Cloud, Image, ImageKey, ImageStore } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { FactoryError } from '#src/errors.ts'
import type { PlannedDestination } from '#src/journal/records.ts'
import type { CollectedBuild } from '#src/journal/replay.ts'
import { formatBytes } from '#src/units.ts'
import { imageAt } from './outcome.ts'
import { budgets, withRetries } from './retries.ts'
import { type ReleaseScope, releaseContext } from './scope.ts'
import { stateOf } from './state.ts'
import { withTimeLimit } from '#src/time-limit.ts'
import { runStep } from './step.ts'
import { verify } from './verify.ts'

const publishLimitMs = 2 * 3_600_000
const checkLimitMs = 2 * 60_000

/**
 * Brings one build to one destination and proves it there. What an earlier run of the release has published
 * or verified is not repeated.
 */
export async function publishAndVerify(
  scope: ReleaseScope,
  destination: PlannedDestination,
  build: CollectedBuild,
): Promise<void> {
  const cloud = scope.clouds.get(destination.cloud)
  if (!cloud?.images) throw noImages(destination.cloud)
  const image = await publish(scope, destination, build, cloud.images)
  await verify(scope, destination, build.identity, cloud as Cloud, image)
}

/**
 * The destinations that could take an image right now, found out before anything is rented. One that could not
 * fails its publish step at once; when none is left there is nothing to build for, and the first reason is thrown.
 */
export async function readyDestinations(
  scope: ReleaseScope,
  destinations: readonly PlannedDestination[],
): Promise<PlannedDestination[]> {
  const settled = await Promise.allSettled(
    destinations.map(async (destination): Promise<PlannedDestination> => {
      const { arch, cloud, region } = destination
      try {
        const nothing = { virtualBytes: 0, storedBytes: 0 }
        await withTimeLimit(
          `asking ${cloud}/${region} whether it could take an image`,
          checkLimitMs,
          scope.signal,
          async (signal) =>
            await scope.clouds
              .get(cloud)
              ?.images?.check(region, nothing, releaseContext({ now: scope.now, signal })),
          'It does not answer: look at the network and at its address in the configuration (factory doctor).',
        )
        return destination
      } catch (error) {
        const place = { arch, step: 'publish', target: `${cloud}/${region}` } as const
        return await runStep(scope, place, { limitMs: checkLimitMs }, () => Promise.reject(error))
      }
    }),
  )
  const ready = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const refused = settled.find((result) => result.status === 'rejected')
  if (ready.length === 0 && refused) throw refused.reason
  return ready
}

async function publish(
  scope: ReleaseScope,
  destination: PlannedDestination,
  build: CollectedBuild,
  images: ImageStore,
): Promise<Image> {
  const { arch, format, cloud, region } = destination
  const before = imageAt(stateOf(scope).images, destination)?.image
  const artifact = () => artifactOf(scope, build, destination)
  const key: ImageKey = {
    cloud,
    region,
    arch,
    format,
    sha256: before?.sha256 ?? artifact().sha256,
    name: `${scope.configuration.image.name}-${scope.release}-${arch}`,
    release: scope.release,
    owner: scope.configuration.owner,
    origin: {
      releaseKey: scope.key,
      buildKey: build.buildKey,
      identity: build.identity,
      imageName: scope.configuration.image.name,
      ...(build.pushedDigest === undefined ? {} : { pushedDigest: build.pushedDigest }),
    },
  }
  const place = { arch, step: 'publish', target: `${cloud}/${region}` } as const
  return await runStep(scope, place, { limitMs: publishLimitMs }, async (ctx) => {
    // Looked for on every try: the answer to an earlier one may have been lost after it had its effect.
    const { image, summary } = await withRetries('publishing', budgets.publish, ctx, async () => {
      const found = await images.find(key, ctx)
      if (found) {
        // It may be our own, of a run that was cut off between its being whole and our hearing of it.
        if (before?.id !== found.id) await images.clearUp?.(key, ctx)
        return { image: found, summary: `${found.name} is there already` }
      }
      const { virtualBytes, contentBytes: storedBytes } = artifact()
      await images.check(region, { virtualBytes, storedBytes }, ctx)
      if (!(await scope.store.isIntact(key.sha256, ctx.signal))) throw damaged(arch, key.sha256)
      const made = await images.publish(artifact(), key, ctx)
      return { image: made, summary: `${made.name}, ${formatBytes(storedBytes)} sent` }
    })
    if (before?.id !== image.id) scope.journal.append(published(scope, image))
    return { result: image, summary }
  })
}

/** The journal knows the origin of an image from its other records; it stands with the image for when there is no journal. */
function published(scope: ReleaseScope, image: Image) {
  const { origin: _, ...journaled } = image
  return { type: 'image-published', release: scope.release, image: journaled } as const
}

function artifactOf(scope: ReleaseScope, build: CollectedBuild, destination: PlannedDestination): Artifact {
  const collected = build.artifacts.find(({ format }) => format === destination.format)
  if (collected) return { ...collected, path: scope.store.path(collected.sha256) }
  throw new FactoryError({
    code: 'artifact-missing',
    message: `the ${destination.arch} build has no ${destination.format} artifact for ${destination.cloud}`,
    hint: 'This is a defect of the factory: please report it with release.json.',
    class: 'bug',
  })
}

function damaged(arch: string, sha256: string): FactoryError {
  return new FactoryError({
    code: 'artifact-damaged',
    message: `the ${arch} disk ${sha256.slice(0, 12)} in the local store is no longer what was collected, and was removed`,
    hint: 'Run factory release again: it is built once more. Look at the health of the disk that holds the state directory.',
    class: 'bug',
  })
}

function noImages(cloud: string): FactoryError {
  return new FactoryError({
    code: 'cloud-takes-no-images',
    message: `the cloud ${cloud} cannot hold images`,
    hint: 'Name another cloud in `publish` of the configuration.',
    class: 'user',
  })
}
