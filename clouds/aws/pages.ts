/** Where there is nothing AWS lists nothing; a page without a list is not from AWS, and must not pass for that. */
class UnreadablePage extends Error {
  override readonly name = 'UnreadablePage'
}

/** Everything of a listing, all pages of it. */
export async function everyItem<P, T>(
  pages: AsyncIterable<P> | Iterable<P>,
  itemsOf: (page: P) => readonly T[] | undefined,
): Promise<T[]> {
  const all: T[] = []
  for await (const page of pages) {
    const items = itemsOf(page)
    if (!items) throw new UnreadablePage('its answer has no list, as no page of AWS would')
    all.push(...items)
  }
  return all
}
