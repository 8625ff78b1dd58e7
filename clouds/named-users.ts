const mostNames = 3

/** Who uses an image, for people: `the machine a runs from it`, or `the machines a, b, c and 2 more run from it`; undefined for nobody. */
export function namedUsers(
  noun: 'machine' | 'volume',
  names: readonly string[],
  does: { one: string; many: string },
): string | undefined {
  if (names.length === 0) return undefined
  if (names.length === 1) return `the ${noun} ${names[0]} ${does.one}`
  const more = names.length - mostNames
  const shown = names.slice(0, mostNames)
  const list =
    more > 0 ? `${shown.join(', ')} and ${more} more` : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`
  return `the ${noun}s ${list} ${does.many}`
}
