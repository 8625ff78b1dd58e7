import type { ArchitectureName } from '#arch/index.ts'
import type { Cloud, Image, ImageOrigin, Resource } from '#clouds/types.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { Journal } from '#src/journal/journal.ts'

/** What was taken into the journal, and what could not be. */
export interface Adopted {
  releases: { release: string; images: string[] }[]
  /** Machines that can be given back, but not logged in to: their keys are lost. */
  machines: { cloud: string; id: string; leaseId: string }[]
  /** In words for people. */
  skipped: string[]
}

type WithOrigin = Image & { origin: ImageOrigin }

/**
 * Rebuilds what the clouds can tell when the state directory is lost: releases with their images, so that nothing is
 * built or published a second time, and machines, so that they are given back. What they cannot tell (logs, local
 * artifacts, boot checks) is made again when it is needed.
 */
export async function adopt(
  journal: Journal,
  clouds: ReadonlyMap<string, Cloud>,
  configuration: Configuration,
  ctx: Context,
): Promise<Adopted> {
  const adopted: Adopted = { releases: [], machines: [], skipped: [] }
  const images: WithOrigin[] = []
  for (const cloud of clouds.values()) {
    try {
      for await (const image of cloud.images?.list(ctx) ?? []) {
        if (hasOrigin(image)) images.push(image)
        else adopted.skipped.push(`${cloud.name} ${image.name}: it does not say what it was made of`)
      }
      for await (const resource of cloud.builders?.find(configuration.owner, ctx) ?? []) {
        if (takeMachine(journal, cloud, resource)) {
          adopted.machines.push({ cloud: cloud.name, id: resource.id, leaseId: resource.leaseId! })
        }
      }
    } catch (error) {
      ctx.signal.throwIfAborted()
      adopted.skipped.push(`${cloud.name}: ${asFactoryError(error).message}`)
    }
  }
  const known = new Set(journal.state().releases.map(({ release }) => release))
  for (const [release, own] of Map.groupBy(images, (image) => image.release)) {
    if (known.has(release)) continue
    takeRelease(journal, configuration, release, own)
    adopted.releases.push({ release, images: own.map(({ name }) => name) })
  }
  return adopted
}

/** As the engine itself would have written it, with nothing that only the lost journal knew. */
function takeRelease(
  journal: Journal,
  configuration: Configuration,
  release: string,
  images: readonly WithOrigin[],
): void {
  const first = images[0]!
  const builds = [...Map.groupBy(images, ({ arch }) => arch)].map(([arch, own]) => ({
    arch,
    buildKey: own[0]!.origin.buildKey,
    why: 'found in the clouds',
  }))
  const destinations = images.map(({ cloud, region, arch, format }) => ({
    cloud,
    region,
    arch,
    format,
    verify: isVerified(configuration, cloud, arch),
  }))
  journal.append({
    type: 'release-opened',
    release,
    key: first.origin.releaseKey,
    owner: configuration.owner,
    imageName: first.origin.imageName,
    inputs: null,
    builds,
    destinations,
  })
  for (const { arch, buildKey } of builds) {
    const { identity, pushedDigest } = images.find((image) => image.arch === arch)!.origin
    journal.append({
      type: 'artifacts-collected',
      release,
      arch,
      buildKey,
      identity,
      artifacts: [],
      ...(pushedDigest === undefined ? {} : { pushedDigest }),
    })
  }
  for (const { origin: _origin, ...image } of images)
    journal.append({ type: 'image-published', release, image })
  journal.append({ type: 'release-closed', release, outcome: 'partial', durationMs: 0 })
}

function takeMachine(journal: Journal, cloud: Cloud, resource: Resource): boolean {
  const { kind, leaseId, release, arch, owner, expires } = resource
  if (kind !== 'machine' || !leaseId || !release || !arch || !owner || !expires) return false
  if (journal.state().leases.some(({ lease, released }) => lease.id === leaseId && !released)) return false
  const lease = { id: leaseId, owner, release, arch: arch as ArchitectureName, expires }
  journal.append({ type: 'lease-found', release, cloud: cloud.name, lease })
  return true
}

function hasOrigin(image: Image): image is WithOrigin {
  return image.origin !== undefined
}

function isVerified({ publish }: Configuration, cloud: string, arch: ArchitectureName): boolean {
  return publish.find((entry) => entry.to === cloud && entry.architectures.includes(arch))?.verify ?? true
}
