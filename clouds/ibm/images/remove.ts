import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import type { IbmSettings } from '../settings.ts'
import { forgetMarks, readMarks } from '../tags.ts'
import { until } from '../wait.ts'
import { type VpcImage, deleteImage, imageById } from './vpc-images.ts'

/** An image that is being imported can be deleted only when that has ended. */
const deleteLimitMs = 20 * 60_000

/** Deletes an image and waits until it is gone, with its marks; "not there" is success. */
export async function removeImage(
  settings: IbmSettings,
  region: string,
  id: string,
  ctx: Context,
): Promise<void> {
  const image = await imageById(settings, region, id, ctx)
  if (image) await removeVpcImage(settings, region, image, ctx)
}

export async function removeVpcImage(
  settings: IbmSettings,
  region: string,
  { id, crn }: Pick<VpcImage, 'id' | 'crn'>,
  ctx: Context,
): Promise<void> {
  const { owner: _, ...marks } = await readMarks(settings, crn, ctx)
  await until(`deleting the image ${id} in ${region}`, deleteLimitMs, ctx, async () => {
    const now = await imageById(settings, region, id, ctx)
    if (!now) return true
    if (now.status !== 'deleting') await deleteUnlessBusy(settings, region, id, ctx)
    return undefined
  })
  await forgetMarks(settings, marks, ctx)
}

async function deleteUnlessBusy(
  settings: IbmSettings,
  region: string,
  id: string,
  ctx: Context,
): Promise<void> {
  try {
    await deleteImage(settings, region, id, ctx)
  } catch (error) {
    if (asFactoryError(error).code !== 'ibm-busy') throw error
    ctx.emit({ message: `waiting until ${id} can be deleted` })
  }
}
