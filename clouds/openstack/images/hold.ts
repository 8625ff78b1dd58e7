import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import type { OpenstackSettings } from '../settings.ts'
import { until } from '../wait.ts'
import { type GlanceImage, imageById } from './glance.ts'
import { overAtMs } from './leftovers.ts'

/** Whether an image is ours to take back when its making fails: not while another factory makes it of the same content. */
export interface Hold {
  isOurs: boolean
}

/** Glance sees within moments that a sender is gone. */
const settleLimitMs = 60_000

/** Whether content is on its way into an image. */
export function isBusy({ status }: GlanceImage): boolean {
  return status === 'saving' || status === 'importing'
}

/** An image on which nobody works any more, or the way it is when the time for that is over. */
export async function settled(
  settings: OpenstackSettings,
  region: string,
  id: string,
  ctx: Context,
  limitMs = settleLimitMs,
): Promise<GlanceImage | undefined> {
  const deadline = ctx.now() + limitMs
  return await until(`the image ${id}`, 2 * limitMs, ctx, async () => {
    const image = await imageById(settings, region, id, ctx)
    return image && isBusy(image) && ctx.now() < deadline ? undefined : { image }
  }).then(({ image }) => image)
}

/** Whether whoever works on an image may still be there. */
export function isWorkedOn(image: GlanceImage, ctx: Context): boolean {
  return isBusy(image) && ctx.now() < overAtMs(image)
}

/** What is thrown where another factory makes the same image; it is found when that is done. */
export function othersAtWork(
  id: string,
  region: string,
  image: GlanceImage | undefined,
  cause?: unknown,
): FactoryError {
  return new FactoryError({
    code: 'openstack-image-busy',
    message: `the image ${id} in ${region} is ${image?.status ?? 'gone'}: something else sent the same content into it, or Glance broke off`,
    hint: `Is another factory of this owner at work? Run the same command again when it is done. If there is none: openstack image delete ${id}`,
    class: 'infra',
    cause,
  })
}
