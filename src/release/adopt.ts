import type { ArchitectureName } from '#arch/index.ts'
import type { Cloud, Image, ImageOrigin, Resource } from '#clouds/types.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { ErrorFacts } from '#src/events.ts'
import type { Journal } from '#src/journal/journal.ts'
import type { JournalRecord } from '#src/journal/records.ts'
import { adoptChannels } from './adopt-channels.ts'
import { errorFacts } from './step.ts'

/** What was taken into the journal, and what could not be. */
export interface Adopted {
  releases: { release: string; images: string[] }[]
  /** Machines that can be given back, but not logged in to: their keys are lost. */
  machines: { cloud: string; id: string; leaseId: string }[]
  /** Things that do not say what they are of, in words for people. */
  skipped: string[]
  /** Clouds, or parts of them, that could not be looked into. */
  failures: { cloud: string; error: ErrorFacts }[]
}

type WithOrigin = Image & { origin: ImageOrigin }

/**
 * Rebuilds what the clouds can tell when the state directory is lost: releases with their images, so that nothing is
 * built or published a second time, what people chose of them, and machines, so that they are given back. What they cannot tell (logs, local
 * artifacts, boot checks) is made again when it is needed.
 */
export async function adopt(
  journal: Journal,
  clouds: ReadonlyMap<string, Cloud>,
  configuration: Configuration,
  ctx: Context,
): Promise<Adopted> {
  const adopted: Adopted = { releases: [], machines: [], skipped: [], failures: [] }
  const failed = (cloud: string, error: unknown) =>
    void adopted.failures.push({ cloud, error: errorFacts(asFactoryError(error), (text) => text) })
  const images: WithOrigin[] = []
  for (const cloud of clouds.values()) {
    const ask = async (find: () => Promise<void>) => {
      await find().catch((error: unknown) => {
        ctx.signal.throwIfAborted()
        failed(cloud.name, error)
      })
    }
    await ask(async () => {
      for await (const image of cloud.images?.list(ctx) ?? []) {
        if (hasOrigin(image)) images.push(image)
        else adopted.skipped.push(`${cloud.name} ${image.name}: it does not say what it was made of`)
      }
    })
    await ask(async () => {
      for await (const resource of cloud.builders?.find(configuration.owner, ctx) ?? []) {
        if (resource.kind === 'machine') takeMachine(journal, cloud, configuration.owner, resource, adopted)
      }
    })
  }
  // In the order in which they were made, whatever the clouds list first: a plan compares with the newest.
  const releases = [...Map.groupBy(images, (image) => image.release)].toSorted(([one], [other]) =>
    one.localeCompare(other, 'en', { numeric: true }),
  )
  for (const [release, own] of releases) {
    const taken = takeRelease(journal, configuration, release, own)
    if (taken.length > 0) adopted.releases.push({ release, images: taken })
  }
  if (adopted.releases.length > 0) await adoptChannels(journal, clouds, ctx, failed)
  return adopted
}

/**
 * As the engine itself would have written it, with nothing that only the lost journal knew. Of a release that is known
 * only the places without an image get one: a cloud may have been out of reach the first time. All of it or nothing is
 * written, so that nobody goes on with half of a release. Returns names of images.
 */
function takeRelease(
  journal: Journal,
  configuration: Configuration,
  release: string,
  found: readonly WithOrigin[],
): string[] {
  const before = journal.state().releases.find((one) => one.release === release)
  const images = found.filter(
    (image, index) =>
      !before?.images.some((published) => isSamePlace(published.image, image)) &&
      found.findIndex((other) => isSamePlace(other, image)) === index,
  )
  const [first] = images
  if (!first) return []
  const builds = [...Map.groupBy(images, ({ arch }) => arch)].map(([arch, own]) => ({
    arch,
    buildKey: own[0]!.origin.buildKey,
    why: 'found in the clouds',
  }))
  const records: JournalRecord[] = []
  if (!before) {
    records.push({
      type: 'release-opened',
      release,
      key: first.origin.releaseKey,
      owner: configuration.owner,
      imageName: first.origin.imageName,
      inputs: null,
      builds,
      destinations: images.map((image) => destinationOf(configuration, image)),
    })
  }
  for (const { arch, buildKey } of builds) {
    if (journal.state().collected.has(buildKey)) continue
    const { identity, pushedDigest } = images.find((image) => image.arch === arch)!.origin
    records.push({
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
    records.push({ type: 'image-published', release, image })
  if (!before) records.push({ type: 'release-closed', release, outcome: 'partial', durationMs: 0 })
  journal.appendAll(records)
  return images.map(({ name }) => name)
}

function takeMachine(
  journal: Journal,
  cloud: Cloud,
  ours: string,
  resource: Resource,
  adopted: Adopted,
): void {
  const { id, leaseId, release, arch, owner, expires } = resource
  if (owner !== ours) return
  if (!leaseId || !release || !arch || !expires) {
    adopted.skipped.push(`${cloud.name} ${id}: it does not say which lease it is of`)
    return
  }
  if (journal.state().leases.some(({ lease, released }) => lease.id === leaseId && !released)) return
  const lease = { id: leaseId, owner, release, arch: arch as ArchitectureName, expires }
  journal.append({ type: 'lease-found', release, cloud: cloud.name, lease })
  adopted.machines.push({ cloud: cloud.name, id, leaseId })
}

function isSamePlace(one: Image, other: Image): boolean {
  const { cloud, region, arch, format } = one
  return cloud === other.cloud && region === other.region && arch === other.arch && format === other.format
}

function destinationOf(configuration: Configuration, { cloud, region, arch, format }: Image) {
  return { cloud, region, arch, format, verify: isVerified(configuration, cloud, arch) }
}

function hasOrigin(image: Image): image is WithOrigin {
  return image.origin !== undefined
}

function isVerified({ publish }: Configuration, cloud: string, arch: ArchitectureName): boolean {
  return publish.find((entry) => entry.to === cloud && entry.architectures.includes(arch))?.verify ?? true
}
