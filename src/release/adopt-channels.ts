import type { Cloud, ImageMark } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import type { Journal } from '#src/journal/journal.ts'
import type { JournalRecord } from '#src/journal/records.ts'

const why = 'so it was marked in the clouds'

/**
 * Takes from the marks of adopted images what people had chosen, as far as the journal knows of no choice: without that,
 * what is promoted would look like any old release, and be deprecated and in the end collected. Pins stand nowhere else.
 * A cloud that does not answer is passed to `failed`.
 */
export async function adoptChannels(
  journal: Journal,
  clouds: ReadonlyMap<string, Cloud>,
  ctx: Context,
  failed: (cloud: string, error: unknown) => void,
): Promise<void> {
  const marks = new Map<string, Set<ImageMark>>()
  for (const { release, images } of journal.state().releases) {
    for (const { image, removal } of images) {
      if (removal) continue
      try {
        const mark = await clouds.get(image.cloud)?.images?.marked?.(image, ctx)
        if (mark !== undefined) marks.set(release, (marks.get(release) ?? new Set()).add(mark))
      } catch (error) {
        ctx.signal.throwIfAborted()
        failed(image.cloud, error)
      }
    }
  }
  journal.appendAll(choicesOf(marks, journal))
}

/** Where a marking was cut off, two releases may bear one mark: the newer one counts, and the other is not lost either. */
function choicesOf(marks: ReadonlyMap<string, ReadonlySet<ImageMark>>, { state }: Journal): JournalRecord[] {
  const { channels, releases } = state()
  const marked = (mark: ImageMark) => [...marks].flatMap(([release, its]) => (its.has(mark) ? [release] : []))
  const now = marked('promoted')
  // What was only the one before is not promoted for that.
  const before = now.length === 0 ? [] : marked('previous')
  const promoted = [...new Set([...before, ...now].toReversed())].slice(0, 2)
  const [candidate] = marked('candidate').slice(-1)
  const isUndecided = (name: string) => releases.some((one) => one.release === name && !one.ignored)
  return [
    ...marked('ignored')
      .filter(isUndecided)
      .map((release) => ({ type: 'release-ignored', release, why }) as const),
    ...(channels.promoted ? [] : promoted.toReversed()).map(
      (release) => ({ type: 'channel-moved', channel: 'promoted', release, why }) as const,
    ),
    ...(channels.candidate === undefined && candidate !== undefined
      ? [{ type: 'channel-moved', channel: 'candidate', release: candidate } as const]
      : []),
  ]
}
