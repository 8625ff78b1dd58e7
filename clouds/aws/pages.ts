/** Everything of a listing, all pages of it. */
export async function everyItem<P, T>(
  pages: AsyncIterable<P>,
  itemsOf: (page: P) => readonly T[] | undefined,
): Promise<T[]> {
  const all: T[] = []
  for await (const page of pages) all.push(...(itemsOf(page) ?? []))
  return all
}
