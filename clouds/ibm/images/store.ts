import { type ArchitectureName, type DiskFormat, architectures } from '#arch/index.ts'
import { fromEveryRegion } from '#clouds/every-region.ts'
import type { Image, ImageKey, ImageStore, Verdict } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { formatBytes } from '#src/units.ts'
import { endpointOf } from '../endpoints.ts'
import { isImageNameOf } from '../names.ts'
import type { IbmArchitecture } from '../config.ts'
import { imageRate } from '../rates.ts'
import type { IbmSettings } from '../settings.ts'
import { readMarks } from '../tags.ts'
import { type Bucket, checkBucket, openBucket } from './bucket.ts'
import { removeIfDone, removeUnneeded } from './bucket-content.ts'
import { openContents } from './contents.ts'
import { imageFrom, wasUsable } from './image-marks.ts'
import { discardLeftover, findInBucket, halfMadeImages } from './leftovers.ts'
import { markImage, markOf } from './mark.ts'
import { findImage, makeImage } from './publish.ts'
import { removeImage } from './remove.ts'
import { uploadArtifact } from './upload.ts'
import { ownImages } from './vpc-images.ts'

/** https://cloud.ibm.com/docs/vpc?topic=vpc-create-linux-custom-image; what is under 10 GB VPC makes 10. */
const mostBytes = 250e9
/** A place like a region, where leftovers are looked for. */
const inBucket = 'the bucket'

/** Publishes custom images of VPC: every region imports the same object, which is sent once and removed when all are done. */
export function createImageStore(settings: IbmSettings): ImageStore {
  const contents = openContents()
  return {
    regions: settings.regions,
    location: (region) => `${endpointOf(settings.configuration.endpoints, 'vpc', region)} ${region}`,
    takes: (arch, format) => takes(settings, arch, format),
    rate: (_region, storedBytes) => imageRate(settings.configuration, storedBytes),
    async check(region, { virtualBytes }, ctx) {
      if (virtualBytes > mostBytes) throw tooLarge(virtualBytes)
      await ownImages(settings, region, ctx)
      await checkBucket(needBucket(settings), ctx)
    },
    find: (key, ctx) => findImage(settings, key, ctx),
    async publish(artifact, key, ctx) {
      const found = await findImage(settings, key, ctx)
      if (found) return found
      const bucket = needBucket(settings)
      return await contents.working(
        key.sha256,
        key.region,
        () => publishIn(bucket, artifact, key, ctx),
        () => removeUnneeded(settings, bucket, key, ctx),
      )
    },
    async clearUp(key, ctx) {
      const bucket = openBucket(settings)
      if (bucket) await removeIfDone(settings, bucket, key, ctx)
    },
    list: (ctx) =>
      fromEveryRegion(settings, ctx, async function* (region) {
        for (const image of await ownImages(settings, region, ctx)) {
          if (!isImageNameOf(image.name, settings.owner)) continue
          const marks = await readMarks(settings, image.crn, ctx)
          const ours = imageFrom(settings.name, region, image, marks)
          if (ours && marks['owner'] === settings.owner && wasUsable(image, marks)) yield ours
        }
      }),
    mark: (image, mark, ctx) => markImage(settings, image, mark, ctx),
    marked: (image, ctx) => markOf(settings, image, ctx),
    remove: (image, ctx) => removeImage(settings, image.region, image.id, ctx),
    leftovers: (owner, ctx) =>
      // The bucket last: what is in it shows whose images without marks are.
      fromEveryRegion({ regions: [...settings.regions, inBucket] }, ctx, (place) =>
        place === inBucket ? findInBucket(settings, owner, ctx) : halfMadeImages(settings, place, owner, ctx),
      ),
    discard: (leftover, ctx) => discardLeftover(settings, leftover, ctx),
  }

  async function publishIn(bucket: Bucket, artifact: Artifact, key: ImageKey, ctx: Context): Promise<Image> {
    const send = () => uploadArtifact(bucket, artifact, key, ctx)
    const object = () => contents.object(key.sha256, ctx, send)
    return await makeImage(settings, bucket, artifact, key, object, ctx)
  }
}

function needBucket(settings: IbmSettings): Bucket {
  const bucket = openBucket(settings)
  if (bucket) return bucket
  throw new FactoryError({
    code: 'ibm-bucket-missing',
    message: `clouds.${settings.name}.bucket is not in the configuration, and images get to IBM Cloud through a bucket only`,
    hint: `Write clouds.${settings.name}.bucket: { name: NAME, region: ${settings.configuration.region} }; docs/clouds/ibm.md makes one.`,
    class: 'user',
  })
}

function tooLarge(bytes: number): FactoryError {
  return new FactoryError({
    code: 'ibm-image-too-large',
    message: `the disk has ${formatBytes(bytes)}, and IBM Cloud takes images of at most 250 GB`,
    hint: 'Make `disk.size` smaller: machines grow the root file system to their own disk.',
    class: 'user',
  })
}

function takes({ name, configuration }: IbmSettings, arch: ArchitectureName, format: DiskFormat): Verdict {
  if (architectures[arch].ibm === undefined) {
    const hint = `Leave ${arch} out of this destination.`
    return { ok: false, reason: `IBM Cloud VPC has no ${arch} machines`, hint }
  }
  if (format !== 'qcow2')
    return { ok: false, reason: `IBM Cloud takes no ${format} images`, hint: 'Write `format: qcow2`.' }
  if (configuration.operatingSystem[arch as IbmArchitecture] !== undefined) return { ok: true }
  const key = `clouds.${name}.operatingSystem.${arch}`
  return {
    ok: false,
    reason: `${key} is not in the configuration`,
    hint: `Add ${key}; ibmcloud is operating-systems lists them.`,
  }
}
