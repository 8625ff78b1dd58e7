import type { ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { assertArtifact } from './artifact-check.ts'
import { type ImageClaim, claimOf, isOurClaim, readClaim } from './image-claim.ts'
import { channelVolumes } from './image-channel.ts'
import { type ImageMarker, imageVolumeNames, markerOf, markerToJson, readComplete } from './image-marker.ts'
import { type Pool, assertSpace, openPool } from './pools.ts'
import { upload } from './upload.ts'
import {
  createVolume,
  deleteVolume,
  deleteWhenClosed,
  findVolume,
  volumeNames,
  writeSmallVolume,
} from './volumes.ts'

const cleanUpLimitMs = 60_000

/**
 * Makes the volume of an image: claim, volume, content, marker, in this order, and only the marker makes it an
 * image. libvirt can neither rename a volume nor describe one, so a temporary name would cost a second copy of
 * everything; instead nothing believes in a volume without a marker. What a killed run left behind is recognised by
 * its claim and made anew; any other volume of the same name is somebody else's and refused. A factory that slept
 * meanwhile finds another one's claim in the place of its own, or a complete image, and touches neither.
 */
export async function publish(
  pool: Pool,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<ImageMarker> {
  await assertArtifact(artifact)
  const marker = markerOf(key, artifact)
  const claim = claimOf(marker, ctx.now())
  const names = imageVolumeNames(key)
  const complete = await makeRoom(pool, key, ctx)
  if (complete) return complete
  try {
    await writeSmallVolume(pool, names.claim, markerToJson(claim), ctx)
    const { format, virtualBytes: capacityBytes } = artifact
    await createVolume(pool, { name: names.volume, capacityBytes, format }, ctx)
    await upload(pool, names.volume, artifact, ctx)
    await assertWhole(pool, names.volume, artifact, ctx)
    if (!(await isOurClaim(pool, names.claim, claim, ctx))) throw overtaken(pool, names.volume)
    await writeSmallVolume(pool, names.marker, markerToJson(marker), ctx)
    // Whoever took us for dead in this very moment has removed the volume; then it must not be called published.
    await assertWhole(pool, names.volume, artifact, ctx)
  } catch (error) {
    const successors = await withdraw(pool, key, claim, ctx)
    if (successors) return successors
    throw await withNumbers(pool, artifact, key, error)
  }
  await deleteVolume(pool, names.claim, ctx)
  return marker
}

/**
 * Takes away what an earlier, unfinished publish of the same content left; returns the image when it is complete
 * after all, and throws when the name is somebody else's.
 */
async function makeRoom(pool: Pool, key: ImageKey, ctx: Context): Promise<ImageMarker | undefined> {
  const { volume, marker, claim } = imageVolumeNames(key)
  const existing = await volumeNames(pool, ctx)
  const complete = await readComplete(pool, volume, ctx)
  if (complete?.sha256 === key.sha256) return complete
  const isOfKilledRun = async () => {
    const claimed = await readClaim(pool, claim, ctx)
    return typeof claimed === 'object' && claimed.sha256 === key.sha256
  }
  if (existing.includes(volume) && !(await isOfKilledRun())) throw nameTaken(pool, volume)
  const channels = channelVolumes(existing, volume).map(({ name }) => name)
  for (const name of [marker, volume, ...channels, claim]) {
    // A killed factory's virsh may still be sending.
    const mayBeDeleted = name === volume ? isOfKilledRun : () => Promise.resolve(true)
    if (existing.includes(name)) await deleteWhenClosed(pool, name, ctx.signal, mayBeDeleted)
  }
  return undefined
}

/** What libvirt reads from the content itself must be the disk that was sent. */
async function assertWhole(pool: Pool, name: string, artifact: Artifact, ctx: Context): Promise<void> {
  const found = await findVolume(pool, name, ctx)
  if (found?.capacityBytes === artifact.virtualBytes) return
  throw new FactoryError({
    code: 'upload-incomplete',
    message: `the volume ${name} in the pool ${pool.name} on ${pool.hypervisor.uri} has ${found?.capacityBytes} bytes instead of ${artifact.virtualBytes}`,
    hint: 'Run the same command again; the builds are kept.',
    class: 'infra',
  })
}

/**
 * Takes back what we made, as long as it stands under our claim, or returns the complete image that is there. Also
 * after Ctrl-C, so it has its own deadline. The claim goes last; if even this fails, nothing counts as an image.
 */
async function withdraw(
  pool: Pool,
  key: ImageKey,
  ours: ImageClaim,
  ctx: Context,
): Promise<ImageMarker | undefined> {
  const { volume, marker, claim } = imageVolumeNames(key)
  const signal = AbortSignal.timeout(cleanUpLimitMs)
  try {
    const complete = await readComplete(pool, volume, { signal })
    if (complete?.sha256 === key.sha256) return complete
    const isOurs = () => isOurClaim(pool, claim, ours, { signal })
    for (const name of [marker, volume, claim]) await deleteWhenClosed(pool, name, signal, isOurs)
    if ((await readClaim(pool, claim, { signal })) === 'unwritten')
      await deleteVolume(pool, claim, { signal })
  } catch (error) {
    ctx.log(
      `${volume} on ${pool.hypervisor.uri} is left half-made; the next publish or factory reap removes it. ${String(error)}`,
    )
  }
  return undefined
}

/** A pool that filled up meanwhile is reported with the numbers of now. */
async function withNumbers(pool: Pool, artifact: Artifact, key: ImageKey, error: unknown): Promise<unknown> {
  if (!(error instanceof FactoryError) || error.code !== 'pool-full') return error
  try {
    const now = await openPool(pool.hypervisor, pool.name, { signal: AbortSignal.timeout(cleanUpLimitMs) })
    assertSpace(now, artifact.contentBytes, `the image ${key.name}`)
    return error
  } catch (better) {
    return better
  }
}

function overtaken(pool: Pool, volume: string): FactoryError {
  return new FactoryError({
    code: 'publish-overtaken',
    message: `another factory has begun to publish ${volume} on ${pool.hypervisor.uri} anew while this one was at it`,
    hint: 'Let one of them finish; then the other finds the image there.',
    class: 'infra',
  })
}

function nameTaken(pool: Pool, volume: string): FactoryError {
  const { uri } = pool.hypervisor
  return new FactoryError({
    code: 'image-name-taken',
    message: `the pool ${pool.name} on ${uri} has a volume ${volume} with other content than ours, or that the factory did not make`,
    hint: `Look at it (virsh -c '${uri}' vol-info ${volume} ${pool.name}), then rename the file or delete it: vol-delete.`,
    class: 'user',
  })
}
