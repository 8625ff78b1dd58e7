import { type ImageMark, imageMarks } from '#clouds/types.ts'

/** What a mark is called among the other marks of an image, each cloud in its own spelling. */
export const channelMark = 'channel'

/** Whether machines may be started from an image that is marked so. */
export function isToBeUsed(mark: ImageMark): boolean {
  return mark === 'promoted' || mark === 'previous' || mark === 'candidate'
}

/** The mark that a word from a cloud says; undefined for none, and for what no factory of this version writes. */
export function readMark(word: unknown): ImageMark | undefined {
  return imageMarks.find((mark) => mark === word)
}
