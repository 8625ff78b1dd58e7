import type { Image, ImageMark } from '#clouds/types.ts'
import type { StoredRecord } from './records.ts'

export interface Verification {
  result: 'passed' | 'failed' | 'not verified'
  how: string
  bootMs?: number
}

export interface PublishedImage {
  image: Image
  publishedAt: number
  verification?: Verification
  /** What its cloud was told of it last. */
  marked?: ImageMark
  /** It is gone, or about to be: why, and when that was decided. */
  removal?: { why: string; at: number; done: boolean }
}

type ImageRecord = Extract<
  StoredRecord,
  { type: 'image-published' | 'image-verified' | 'image-marked' | 'image-removing' | 'image-removed' }
>

/** The images of a release after one more record about them; what is published again is as new. */
export function imagesAfter(images: PublishedImage[], record: ImageRecord): PublishedImage[] {
  if (record.type === 'image-published') {
    const others = images.filter(({ image }) => !isSameImage(image, record.image))
    return [...others, { image: record.image, publishedAt: record.at }]
  }
  const place = { ...record, id: record.imageId }
  return images.map((known) => (isSameImage(known.image, place) ? after(known, record) : known))
}

/** Of one cloud the same thing, whichever release lists it. */
export function isSameImage(one: ImageIdentity, other: ImageIdentity): boolean {
  return (
    one.cloud === other.cloud && one.region === other.region && one.arch === other.arch && one.id === other.id
  )
}

type ImageIdentity = Pick<Image, 'cloud' | 'region' | 'arch' | 'id'>

function after(
  known: PublishedImage,
  record: Exclude<ImageRecord, { type: 'image-published' }>,
): PublishedImage {
  switch (record.type) {
    case 'image-verified': {
      const { result, how, bootMs } = record
      return { ...known, verification: { result, how, ...(bootMs === undefined ? {} : { bootMs }) } }
    }
    case 'image-marked':
      return { ...known, marked: record.mark }
    case 'image-removing':
      return { ...known, removal: { why: record.why, at: record.at, done: false } }
    case 'image-removed':
      return known.removal ? { ...known, removal: { ...known.removal, done: true } } : known
  }
}
