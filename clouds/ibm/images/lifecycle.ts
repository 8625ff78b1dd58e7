import { isToBeUsed } from '#clouds/image-mark.ts'
import type { Image, ImageMark } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { parseDuration } from '#src/units.ts'
import type { IbmConfiguration } from '../config.ts'
import type { IbmSettings } from '../settings.ts'
import { type LifecycleDates, type VpcImage, changeImage, deprecateImage, imageById } from './vpc-images.ts'

/** Images are made a while after their dates were reckoned, and the clock of VPC may differ from ours. */
const slackMs = 10 * 60_000

type Ends = Pick<IbmConfiguration, 'deprecateAfter' | 'obsoleteAfter'>

/**
 * Whether an image has the status, and the dates on which that will change, that its mark wants: `promoted` and
 * `previous` have no end, `candidate` those of the configuration, the others are deprecated from now on.
 */
export function isLifecycleOf(mark: ImageMark, image: VpcImage, ends: Ends, now: number): boolean {
  if (!isToBeUsed(mark)) return isDeprecated(image, now)
  const wanted = datesOf(mark, image, ends, now)
  return wanted === undefined || (!isDeprecated(image, now) && hasDates(image, wanted))
}

/**
 * Gives an image the status that its mark wants. VPC lets a date that has come be removed but not moved, and deprecates at
 * once only what has no date: https://cloud.ibm.com/apidocs/vpc#update-image
 */
export async function liveAs(
  settings: IbmSettings,
  { region }: Image,
  image: VpcImage,
  mark: ImageMark,
  ctx: Context,
): Promise<void> {
  const { configuration } = settings
  const now = ctx.now()
  const { id } = image
  if (isLifecycleOf(mark, image, configuration, now)) return
  if (!isToBeUsed(mark)) {
    if (image.deprecation_at) await changeImage(settings, region, id, { deprecation_at: null }, ctx)
    return await deprecate(settings, region, id, ctx)
  }
  const wanted = datesOf(mark, image, configuration, now)!
  if (isDeprecated(image, now)) await changeImage(settings, region, id, noDates, ctx)
  const left = isDeprecated(image, now) ? noDates : image
  if (!hasDates(left, wanted)) await changeImage(settings, region, id, wanted, ctx)
}

/** Of a request whose answer was lost the repetition is refused, because it has been done. */
async function deprecate(settings: IbmSettings, region: string, id: string, ctx: Context): Promise<void> {
  try {
    await deprecateImage(settings, region, id, ctx)
  } catch (error) {
    ctx.signal.throwIfAborted()
    const image = await imageById(settings, region, id, ctx)
    if (!image || !isDeprecated(image, ctx.now())) throw error
  }
}

const noDates = { deprecation_at: null, obsolescence_at: null }

/** Undefined when the time of a candidate has come, as the configuration wants it: nothing is to be done then. */
function datesOf(
  mark: ImageMark,
  { created_at }: VpcImage,
  { deprecateAfter, obsoleteAfter }: Ends,
  now: number,
): Required<LifecycleDates> | undefined {
  if (mark !== 'candidate') return noDates
  const after = (duration: string | undefined) =>
    duration === undefined ? undefined : Date.parse(created_at) + parseDuration(duration)!
  const dates = [after(deprecateAfter), after(obsoleteAfter)]
  if (dates.some((date) => date !== undefined && date <= now + slackMs)) return undefined
  const [deprecation_at, obsolescence_at] = dates.map((date) =>
    date === undefined ? null : new Date(date).toISOString(),
  ) as [string | null, string | null]
  return { deprecation_at, obsolescence_at }
}

function isDeprecated({ status, deprecation_at: at }: VpcImage, now: number): boolean {
  return status !== 'available' || (at != null && Date.parse(at) <= now + slackMs)
}

function hasDates(image: LifecycleDates, wanted: Required<LifecycleDates>): boolean {
  const isSame = (one: string | null | undefined, other: string | null) =>
    one == null || other === null
      ? (one ?? null) === other
      : Math.abs(Date.parse(one) - Date.parse(other)) <= slackMs
  return (
    isSame(image.deprecation_at, wanted.deprecation_at ?? null) &&
    isSame(image.obsolescence_at, wanted.obsolescence_at ?? null)
  )
}
