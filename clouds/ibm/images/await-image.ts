import type { ImageKey } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { IbmSettings } from '../settings.ts'
import { until } from '../wait.ts'
import { removeVpcImage } from './remove.ts'
import { type VpcImage, imageById } from './vpc-images.ts'

/** Large disks have been seen to take the better part of an hour; a publish may take two. */
const importLimitMs = 100 * 60_000

/**
 * Waits until an image can be used and holds the bytes of the key; `onceSeen` is run when it is there for the first time.
 * One that failed, or was read wrong, is removed.
 */
export async function importedImage(
  settings: IbmSettings,
  key: ImageKey,
  id: string,
  ctx: Context,
  onceSeen: (image: VpcImage) => Promise<void>,
): Promise<VpcImage> {
  const { region } = key
  let isSeen = false
  const image = await until(`importing the image ${id} in ${region}`, importLimitMs, ctx, async () => {
    const now = await imageById(settings, region, id, ctx)
    if (!now) throw failed(id, region, 'gone', '')
    if (!isSeen) await onceSeen(now)
    isSeen = true
    const reasons = now.status_reasons.map(({ code, message }) => `${code}: ${message}`).join('; ')
    if (/^(available|deprecated)$/.test(now.status)) return now
    if (now.status === 'pending') {
      ctx.emit({
        message: `IBM Cloud imports it in ${region} (${id})${reasons === '' ? '' : `: ${reasons}`}`,
      })
      return undefined
    }
    const failure = failed(id, region, now.status, reasons)
    if (/^(failed|unusable)$/.test(now.status)) await removeVpcImage(settings, region, now, ctx)
    throw failure
  })
  if (image.file.checksums?.sha256 === key.sha256) return image
  await removeVpcImage(settings, region, image, ctx)
  throw new FactoryError({
    code: 'ibm-image-differs',
    message: `the image ${id} in ${region} was read as ${image.file.checksums?.sha256 ?? 'nothing that IBM Cloud tells of'}, and the disk is ${key.sha256}`,
    hint: 'It was removed. Run the same command again; look who else writes to the bucket.',
    class: 'infra',
  })
}

function failed(id: string, region: string, status: string, reasons: string): FactoryError {
  const cannotBe = /image_provisioned_size_unsupported|encrypt/.test(reasons)
  return new FactoryError({
    code: 'ibm-image-failed',
    message: `the image ${id} in ${region} is ${status}: ${reasons || 'IBM Cloud says no more'}`,
    hint: cannotBe
      ? 'IBM Cloud takes disks of 10 to 250 GB that are not encrypted: make it smaller.'
      : 'Run the same command again: it is made once more.',
    class: cannotBe ? 'user' : 'infra',
  })
}
