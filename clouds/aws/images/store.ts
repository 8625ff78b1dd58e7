import { type ArchitectureName, type DiskFormat, architectures } from '#arch/index.ts'
import type { Image, ImageKey, ImageStore, Verdict } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { amiNamed, amisWith } from './amis.ts'
import { bucketOf, checkBucket } from './bucket.ts'
import { discardFromBucket, findInBucket, isInBucket } from './bucket-leftovers.ts'
import { fromEveryRegion } from '#clouds/every-region.ts'
import { imageFromAmi, readyMark } from './image-marks.ts'
import { imageUsers } from './image-users.ts'
import { discardLeftover, findLeftovers } from './leftovers.ts'
import { markImage, markOf } from './mark.ts'
import { findImage, makeCopy, makeImage } from './publish.ts'
import { snapshotRate } from '../rates.ts'
import { removeImage } from './remove.ts'
import type { AwsSettings } from '../settings.ts'

/** Publishes AMIs: made in the main region, copied by AWS from there to the others. */
export function createImageStore(settings: AwsSettings): ImageStore {
  const [mainRegion] = settings.regions
  /** The regions of one release go side by side, and all of them wait for the image of the main one. */
  const underWay = new Map<string, Promise<Image>>()

  async function inMainRegion(artifact: Artifact, key: ImageKey, ctx: Context): Promise<Image> {
    const found = await findImage(settings, key, ctx)
    if (found) return found
    const before = underWay.get(key.sha256)
    if (before) {
      ctx.emit({ message: `waiting for the image in ${key.region}` })
      return await before
    }
    const making = makeImage(settings, artifact, key, ctx)
    underWay.set(key.sha256, making)
    try {
      return await making
    } finally {
      underWay.delete(key.sha256)
    }
  }

  return {
    regions: settings.regions,
    location: (region) => `${settings.configuration.endpoint ?? 'aws'} ${region}`,
    takes,
    rate: (_region, storedBytes) => snapshotRate(settings.configuration, storedBytes),
    async check(region, _need, ctx) {
      // Whether account and region answer at all; what it finds does not matter.
      await amiNamed(settings.clients(region), 'none', ctx)
      const { method, importRole } = settings.configuration
      const bucket = bucketOf(settings)
      if (method === 's3' && bucket && region === mainRegion) await checkBucket(bucket, importRole, ctx)
    },
    find: (key, ctx) => findImage(settings, key, ctx),
    async publish(artifact, key, ctx) {
      if (key.region === mainRegion) return await inMainRegion(artifact, key, ctx)
      const known = await findImage(settings, key, ctx)
      if (known) return known
      const source = await inMainRegion(artifact, { ...key, region: mainRegion! }, ctx)
      return await makeCopy(settings, source, artifact, key, ctx)
    },
    list: (ctx) =>
      fromEveryRegion(settings, ctx, async function* (region) {
        for (const ami of await amisWith(
          settings.clients(region),
          { owner: settings.owner, [readyMark]: 'yes' },
          ctx,
        )) {
          const image = imageFromAmi(settings.name, region, ami)
          if (image && ami.State === 'available') yield image
        }
      }),
    mark: (image, mark, ctx) => markImage(settings, image, mark, ctx),
    marked: (image, ctx) => markOf(settings, image, ctx),
    remove: (image, ctx) => removeImage(settings, image.region, image.id, ctx),
    inUse: (image, ctx) => imageUsers(settings, image, ctx),
    leftovers: (owner, ctx) =>
      fromEveryRegion(settings, ctx, async function* (region) {
        yield* findLeftovers(settings.clients(region), owner, ctx)
        if (region === mainRegion) yield* findInBucket(settings, owner, ctx)
      }),
    discard: (leftover, ctx) => {
      const discard = isInBucket(leftover) ? discardFromBucket : discardLeftover
      return discard(settings, leftover, ctx)
    },
  }
}

function takes(arch: ArchitectureName, format: DiskFormat): Verdict {
  if (architectures[arch].ec2 === undefined) {
    return {
      ok: false,
      reason: `EC2 has no ${arch} machines`,
      hint: `Leave ${arch} out of this destination.`,
    }
  }
  if (format === 'raw') return { ok: true }
  return { ok: false, reason: `AWS takes no ${format} images`, hint: 'Write `format: raw`.' }
}
