import type { Resource } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { publishingMs, readClaim } from './image-claim.ts'
import { channelVolumeOf, channelVolumes } from './image-channel.ts'
import { besideVolume, readComplete, readMarker, volumeOf } from './image-marker.ts'
import type { Pool } from './pools.ts'
import { deleteVolume, deleteWhenClosed, findVolume, volumeNames } from './volumes.ts'

/** Everything of the owner in a pool that is no complete image: half-made ones, half-removed ones, and claims that outlived their image's completion. */
export async function* findLeftovers(pool: Pool, owner: string, ctx: Context): AsyncIterable<Resource> {
  const names = await volumeNames(pool, ctx)
  const volumes = names.flatMap((name) => volumeOf('claim', name) ?? lonely(names, name) ?? [])
  for (const volume of new Set(volumes)) {
    const leftover = await describeLeftover(pool, volume, owner, ctx)
    if (leftover) yield leftover
  }
}

/**
 * Removes what is left of an image after looking again: what somebody has claimed anew meanwhile is his, and from a
 * complete image only the claim is taken away. The claim goes last, so that a removal that was cut short can still be found.
 */
export async function discardLeftover(pool: Pool, leftover: Resource, ctx: Context): Promise<void> {
  const { volume, marker, claim } = besideVolume(leftover.id)
  const now = await describeLeftover(pool, volume, leftover.owner ?? '', ctx)
  if (!now || now.expires !== leftover.expires) return
  const isHalf = async () => (await readComplete(pool, volume, ctx)) === undefined
  // Before a claim is written nothing else is made: a volume beside an unwritten one is somebody else's.
  if ((await readClaim(pool, claim, ctx)) !== 'unwritten') {
    const channels = channelVolumes(await volumeNames(pool, ctx), volume).map(({ name }) => name)
    for (const name of [volume, ...channels, marker]) await deleteWhenClosed(pool, name, ctx.signal, isHalf)
  }
  await deleteVolume(pool, claim, ctx)
}

/** The volume that a marker, or the name of a channel, speaks of and that is not there: its removal was cut short. */
function lonely(names: readonly string[], name: string): string | undefined {
  const volume = volumeOf('marker', name) ?? channelVolumeOf(name)
  return volume === undefined || names.includes(volume) ? undefined : volume
}

/** A claim that was never written belongs to whoever comes: nobody can tell whose it is, and nothing else was made after it. */
async function describeLeftover(
  pool: Pool,
  volume: string,
  owner: string,
  ctx: Context,
): Promise<Resource | undefined> {
  const names = besideVolume(volume)
  const found: Resource = { kind: 'image', id: volume, region: pool.hypervisor.region, owner }
  const claim = await readClaim(pool, names.claim, ctx)
  if (claim === 'unwritten')
    return { ...found, ...(await endByAge(pool, names.claim, ctx)), state: 'claimed' }
  if (claim) {
    if (claim.owner !== owner) return undefined
    const { release, arch, expires } = claim
    const state = (await readComplete(pool, volume, ctx)) ? 'complete, with a claim' : 'half-made'
    const end = expires === undefined ? await endByAge(pool, names.claim, ctx) : { expires }
    return { ...found, release, arch, ...end, state }
  }
  const marker = await readMarker(pool, names.marker, ctx)
  if (marker && marker.owner !== owner) return undefined
  if (await findVolume(pool, volume, ctx)) return undefined
  if (!marker) return await lonelyChannel(pool, volume, found, ctx)
  const { release, arch } = marker
  return { ...found, release, arch, ...(await endByAge(pool, names.marker, ctx)), state: 'half-removed' }
}

/** It was made when the image was being removed, and says nothing of its owner. */
async function lonelyChannel(
  pool: Pool,
  volume: string,
  found: Resource,
  ctx: Context,
): Promise<Resource | undefined> {
  const channel = channelVolumes(await volumeNames(pool, ctx), volume).at(-1)
  if (!channel) return undefined
  return { ...found, ...(await endByAge(pool, channel.name, ctx)), state: 'half-removed' }
}

async function endByAge(pool: Pool, name: string, ctx: Context): Promise<{ expires?: string }> {
  const made = await findVolume(pool, name, ctx)
  return made ? { expires: new Date(made.modifiedAt + publishingMs).toISOString() } : {}
}
