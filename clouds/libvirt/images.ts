import { type ArchitectureName, type DiskFormat, architectures } from '#arch/index.ts'
import type { Image, ImageKey, ImageStore, Verdict } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { fromEvery } from './every-hypervisor.ts'
import type { Hypervisor } from './hypervisor.ts'
import { channelVolumes, markImage, markOf } from './image-channel.ts'
import {
  besideVolume,
  imageFromMarker,
  imageVolumeNames,
  readComplete,
  readMarker,
  volumeOf,
} from './image-marker.ts'
import { imageUsers } from './image-users.ts'
import { discardLeftover, findLeftovers } from './leftovers.ts'
import { type Pool, assertSpace, openPool } from './pools.ts'
import { publish } from './publish.ts'
import type { LibvirtSettings } from './settings.ts'
import { deleteVolume, volumeNames } from './volumes.ts'

/** What libvirt and the file system want for themselves beside the content. */
const spareBytes = 16 * 1024 ** 2

/** Publishes into the storage pools of the hypervisors, which are the regions of this cloud. */
export function createImageStore(settings: LibvirtSettings): ImageStore {
  const poolAt = async (region: string, ctx: Context) =>
    await openPool(hypervisorAt(settings, region), settings.configuration.pool, ctx)
  return {
    regions: settings.hypervisors.map(({ region }) => region),
    location: (region) => `${hypervisorAt(settings, region).uri} ${settings.configuration.pool}`,
    takes,
    async check(region, need, ctx) {
      assertSpace(await poolAt(region, ctx), need.storedBytes + spareBytes, 'the image')
    },
    async find(key, ctx) {
      return await findImage(settings.name, await poolAt(key.region, ctx), key, ctx)
    },
    async publish(artifact, key, ctx) {
      const pool = await poolAt(key.region, ctx)
      const known = await findImage(settings.name, pool, key, ctx)
      if (known) return known
      assertSpace(pool, artifact.contentBytes + spareBytes, `the image ${key.name}`)
      const marker = await publish(pool, artifact, key, ctx)
      return imageFromMarker(settings.name, pool, imageVolumeNames(key).volume, marker)
    },
    list: (ctx) =>
      fromEvery(settings, ctx, async function* ({ region }) {
        yield* listImages(settings, await poolAt(region, ctx), ctx)
      }),
    async mark(image, mark, ctx) {
      await markImage(await poolAt(image.region, ctx), image, mark, ctx)
    },
    async marked(image, ctx) {
      return await markOf(await poolAt(image.region, ctx), image, ctx)
    },
    async remove(image, ctx) {
      await remove(await poolAt(image.region, ctx), image, ctx)
    },
    async inUse(image, ctx) {
      return await imageUsers(await poolAt(image.region, ctx), image.id, ctx)
    },
    leftovers: (owner, ctx) =>
      fromEvery(settings, ctx, async function* ({ region }) {
        yield* findLeftovers(await poolAt(region, ctx), owner, ctx)
      }),
    async discard(leftover, ctx) {
      await discardLeftover(await poolAt(leftover.region, ctx), leftover, ctx)
    },
  }
}

function takes(arch: ArchitectureName, format: DiskFormat): Verdict {
  if (architectures[arch].diskFormats.includes(format)) return { ok: true }
  return { ok: false, reason: `there are no ${format} images for ${arch}` }
}

/** The complete image with the key's content, under whatever name. The digest in the name of its marker is where to look. */
async function findImage(cloud: string, pool: Pool, key: ImageKey, ctx: Context): Promise<Image | undefined> {
  const names = await volumeNames(pool, ctx)
  const ending = `-${key.sha256.slice(0, 12)}.${key.format}`
  for (const name of names) {
    const volume = volumeOf('marker', name)
    if (!volume?.endsWith(ending) || !names.includes(volume)) continue
    const marker = await readComplete(pool, volume, ctx)
    if (marker?.sha256 !== key.sha256 || marker.format !== key.format || marker.arch !== key.arch) continue
    return imageFromMarker(cloud, pool, volume, marker)
  }
  return undefined
}

async function* listImages(settings: LibvirtSettings, pool: Pool, ctx: Context): AsyncIterable<Image> {
  const names = await volumeNames(pool, ctx)
  for (const name of names) {
    const volume = volumeOf('marker', name)
    if (volume === undefined || !names.includes(volume)) continue
    const marker = await readMarker(pool, name, ctx)
    if (marker?.owner === settings.owner) yield imageFromMarker(settings.name, pool, volume, marker)
  }
}

/** The marker goes last: an image that was removed half-way is still known to be ours. */
async function remove(pool: Pool, image: Image, ctx: Context): Promise<void> {
  const { volume, claim, marker } = besideVolume(image.name)
  if ((await readMarker(pool, marker, ctx))?.sha256 !== image.sha256) return
  await deleteVolume(pool, volume, ctx)
  // Only now nobody marks it any more.
  const channels = channelVolumes(await volumeNames(pool, ctx), volume).map(({ name }) => name)
  for (const name of [...channels, claim, marker]) await deleteVolume(pool, name, ctx)
}

function hypervisorAt(settings: LibvirtSettings, region: string): Hypervisor {
  const found = settings.hypervisors.find((hypervisor) => hypervisor.region === region)
  if (found) return found
  throw new FactoryError({
    code: 'hypervisor-not-configured',
    message: `clouds.${settings.name}.uri of the configuration no longer names the hypervisor ${region}`,
    hint: `It names: ${settings.hypervisors.map(({ uri }) => uri).join(', ')}`,
    class: 'user',
  })
}
