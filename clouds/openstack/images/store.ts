import { type ArchitectureName, type DiskFormat, architectures } from '#arch/index.ts'
import { fromEveryRegion } from '#clouds/every-region.ts'
import type { ImageStore, Verdict } from '#clouds/types.ts'
import { imageRate } from '../rates.ts'
import type { OpenstackSettings } from '../settings.ts'
import { imagesWith } from './glance.ts'
import { imageFromGlance, isReady, readyProperty } from './image-properties.ts'
import { imageUsers } from './image-users.ts'
import { assertMethod } from './import.ts'
import { discardLeftover, findLeftovers } from './leftovers.ts'
import { markImage, markOf } from './mark.ts'
import { findImage, publishImage } from './publish.ts'
import { removeImage } from './remove.ts'
import { assertRoom } from './room.ts'

/** Publishes to Glance, in each region for itself: there is nothing that would copy an image from one to another. */
export function createImageStore(settings: OpenstackSettings): ImageStore {
  const { configuration } = settings
  const { prices } = configuration
  return {
    regions: settings.regions,
    location: (region) => `${configuration.cloud ?? 'openstack'} ${region}`,
    takes,
    ...(prices && { rate: (_region: string, storedBytes: number) => imageRate(prices, storedBytes) }),
    async check(region, { virtualBytes }, ctx) {
      await assertMethod(settings, region, ctx)
      await assertRoom(settings, region, virtualBytes, ctx)
    },
    find: (key, ctx) => findImage(settings, key, ctx),
    publish: (artifact, key, ctx) => publishImage(settings, artifact, key, ctx),
    list: (ctx) =>
      fromEveryRegion(settings, ctx, async function* (region) {
        const marks = { factory_owner: settings.owner, [readyProperty]: 'yes' }
        for (const found of await imagesWith(settings, region, marks, ctx)) {
          const image = isReady(found) ? imageFromGlance(settings.name, region, found) : undefined
          if (image) yield image
        }
      }),
    mark: (image, mark, ctx) => markImage(settings, image, mark, ctx),
    marked: (image, ctx) => markOf(settings, image, ctx),
    remove: (image, ctx) => removeImage(settings, image, ctx),
    inUse: (image, ctx) => imageUsers(settings, image, ctx),
    leftovers: (owner, ctx) =>
      fromEveryRegion(settings, ctx, (region) => findLeftovers(settings, region, owner, ctx)),
    discard: (leftover, ctx) => discardLeftover(settings, leftover, ctx),
  }
}

function takes(arch: ArchitectureName, format: DiskFormat): Verdict {
  if (architectures[arch].diskFormats.includes(format)) return { ok: true }
  return { ok: false, reason: `there are no ${format} images for ${arch}` }
}
