import type { ArchitectureName } from '#arch/index.ts'
import type { ReleaseCost } from '#src/artifact/cost.ts'
import { forTime, notPriced, pricesOf, rounded, sumOf } from '#src/cost.ts'
import type { LeaseState } from '#src/journal/leases.ts'
import type { CollectedArtifact } from '#src/journal/records.ts'
import type { PublishedImage } from '#src/journal/images.ts'
import type { CloudAbilities } from './destinations.ts'

/** What the journal knows of one architecture of a release; the clouds only lend the prices of their images. */
export interface Spent {
  release: string
  arch: ArchitectureName
  leases: readonly LeaseState[]
  images: readonly PublishedImage[]
  artifacts: readonly CollectedArtifact[]
  clouds: CloudAbilities
  /** Milliseconds since 1970. */
  now: number
}

/**
 * Adds up every machine that the release has had, in whichever run, at the prices that were written down with it, and
 * what its images cost a month. A lease whose cloud never answered with a machine is none. Throws nothing: what has no
 * price is named.
 */
export function costOf({ release, arch, leases, images, artifacts, clouds, now }: Spent): ReleaseCost {
  const rented = leases
    .filter(({ lease }) => lease.release === release && lease.arch === arch)
    .flatMap((taken) => machineCost(taken, now))
  const stored = images
    .filter(({ image }) => image.arch === arch)
    .map((published) => storageCost(published, artifacts, clouds))
  const amounts = rented.flatMap(({ entry }) => entry?.rates ?? []).flatMap(({ amount }) => amount ?? [])
  return {
    machines: rented.flatMap(({ entry }) => entry ?? []),
    storage: stored.flatMap(({ entry }) => entry ?? []),
    'machines-total': sumOf(amounts),
    'storage-month': sumOf(stored.flatMap(({ entry }) => entry?.month ?? [])),
    'not-counted': [...new Set([...rented, ...stored].flatMap((each) => each.missing))],
  }
}

interface Counted<Entry> {
  entry?: Entry
  missing: string[]
}

function machineCost(taken: LeaseState, now: number): Counted<ReleaseCost['machines'][number]>[] {
  const { ref, cloud, purpose, found } = taken
  if (found)
    return [{ missing: [`a machine of ${cloud} that was found there: since when it ran is not known`] }]
  if (!ref) return []
  const durationMs = rentedMs(taken, now)
  const rates = (ref.rates ?? []).map(({ what, price }) =>
    price ? { what, hour: rounded(price), amount: rounded(forTime(price, durationMs)) } : { what },
  )
  const open = isOver(taken, now) ? {} : { 'still-rented': true as const }
  const seconds = Math.round(durationMs / 1000)
  const entry = { purpose, cloud, machine: ref.machine, seconds, ...open, rates }
  return [{ entry, missing: notPriced(cloud, ref.rates, 'machines') }]
}

function isOver({ released, expires }: LeaseState, now: number): boolean {
  return released || Date.parse(expires) <= now
}

/** A machine that nobody prolongs ends itself with its lease, however late that is noticed and written down. */
function rentedMs({ takenAt, releasedAt, expires }: LeaseState, now: number): number {
  return Math.max(0, Math.min(releasedAt ?? now, Date.parse(expires)) - takenAt)
}

/** What an image costs a month as prices are now. */
export function storageCost(
  { image }: PublishedImage,
  artifacts: readonly CollectedArtifact[],
  clouds: CloudAbilities,
): Counted<ReleaseCost['storage'][number]> {
  const { cloud, region, name } = image
  const images = clouds.get(cloud)?.images
  const bytes = artifacts.find(({ sha256 }) => sha256 === image.sha256)?.contentBytes
  if (images?.rate && bytes === undefined)
    return { missing: [`${name} in ${region}, whose size is not known`] }
  const rate = images?.rate?.(region, bytes ?? 0)
  const missing = notPriced(cloud, rate && [rate], 'images')
  if (!rate) return { missing }
  const [month] = pricesOf([rate]).map(rounded)
  return { entry: { cloud, region, what: rate.what, ...(month ? { month } : {}) }, missing }
}
