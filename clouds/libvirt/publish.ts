import type { ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { assertArtifact } from './artifact-check.ts'
import { type ImageMarker, imageVolumeNames, markerOf, markerToJson, readMarker } from './image-marker.ts'
import { type Pool, assertSpace, openPool } from './pools.ts'
import { createVolume, deleteVolume, findVolume, volumeNames, writeSmallVolume } from './volumes.ts'
import { upload } from './upload.ts'

const cleanUpLimitMs = 60_000

/**
 * Makes the volume of an image: claim, volume, content, marker, in this order, and only the marker makes it an
 * image. libvirt can neither rename a volume nor describe one, so a temporary name would cost a second copy of
 * everything; instead nothing believes in a volume without a marker. What a killed run left behind is recognised by
 * its claim and made anew; any other volume of the same name is somebody else's and refused.
 */
export async function publish(
  pool: Pool,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<ImageMarker> {
  await assertArtifact(artifact)
  const marker = markerOf(key, artifact)
  const names = imageVolumeNames(key)
  await makeRoom(pool, key, ctx)
  try {
    await writeSmallVolume(pool, names.claim, markerToJson(marker), ctx)
    const { format, virtualBytes: capacityBytes } = artifact
    await createVolume(pool, { name: names.volume, capacityBytes, format }, ctx)
    await upload(pool, names.volume, artifact, ctx)
    await assertComplete(pool, names.volume, artifact, ctx)
    await writeSmallVolume(pool, names.marker, markerToJson(marker), ctx)
  } catch (error) {
    await withdraw(pool, key, ctx)
    throw await withNumbers(pool, artifact, key, error)
  }
  await deleteVolume(pool, names.claim, ctx)
  return marker
}

/** Takes away what an earlier, unfinished publish of the same content left; throws when the name is somebody else's. */
async function makeRoom(pool: Pool, key: ImageKey, ctx: Context): Promise<void> {
  const { volume, marker, claim } = imageVolumeNames(key)
  const existing = await volumeNames(pool, ctx)
  if (existing.includes(volume) && (await readMarker(pool, claim, ctx))?.sha256 !== key.sha256) {
    throw nameTaken(pool, volume)
  }
  for (const name of [marker, volume, claim]) {
    if (existing.includes(name)) await deleteVolume(pool, name, ctx)
  }
}

/** What libvirt reads from the content itself must be the disk that was sent. */
async function assertComplete(pool: Pool, name: string, artifact: Artifact, ctx: Context): Promise<void> {
  const found = await findVolume(pool, name, ctx)
  if (found?.capacityBytes === artifact.virtualBytes) return
  throw new FactoryError({
    code: 'upload-incomplete',
    message: `the volume ${name} in the pool ${pool.name} on ${pool.hypervisor.uri} has ${found?.capacityBytes} bytes instead of ${artifact.virtualBytes}`,
    hint: 'Run the same command again; the builds are kept.',
    class: 'infra',
  })
}

/** Also after Ctrl-C, so it has its own deadline. The claim goes last; if even this fails, nothing counts as an image. */
async function withdraw(pool: Pool, key: ImageKey, ctx: Context): Promise<void> {
  const { volume, marker, claim } = imageVolumeNames(key)
  const signal = AbortSignal.timeout(cleanUpLimitMs)
  try {
    for (const name of [marker, volume, claim]) await deleteWhenClosed(pool, name, signal)
  } catch (error) {
    ctx.log(
      `${volume} on ${pool.hypervisor.uri} is left half-made; the next publish removes it. ${String(error)}`,
    )
  }
}

/** libvirt needs a moment to notice that an interrupted upload has ended. */
async function deleteWhenClosed(pool: Pool, name: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await deleteVolume(pool, name, { signal })
    } catch (error) {
      if (signal.aborted || !(error instanceof FactoryError) || error.code !== 'volume-in-use') throw error
    }
  }
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

function nameTaken(pool: Pool, volume: string): FactoryError {
  const { uri } = pool.hypervisor
  return new FactoryError({
    code: 'image-name-taken',
    message: `the pool ${pool.name} on ${uri} has a volume ${volume} with other content than ours, or that the factory did not make`,
    hint: `Look at it (virsh -c '${uri}' vol-info ${volume} ${pool.name}), then rename the file or delete it: vol-delete.`,
    class: 'user',
  })
}
