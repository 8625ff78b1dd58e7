import type { Image } from '#clouds/types.ts'
import { FactoryError } from '#src/errors.ts'

/** What `mark` of every adapter throws when the image is not there. */
export function imageGone({ id, region, cloud }: Image, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'image-gone',
    message: `the image ${id} in ${cloud}/${region} is not there any more, or is not the one that was published`,
    hint: 'Somebody else removed it. A release that still needs it publishes it again: factory release --force',
    class: 'user',
    cause,
  })
}
