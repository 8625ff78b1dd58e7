import pLimit from 'p-limit'
import { type ArchitectureName, architectureNames } from '#arch/index.ts'

/**
 * Makes something for each architecture, two at a time: one downloads while the other unpacks. When one fails the others
 * are still made, so that nothing is under way when this throws.
 */
export async function forEachArchitecture<T>(make: (arch: ArchitectureName) => Promise<T>): Promise<T[]> {
  const twoAtATime = pLimit(2)
  return await untilAllEnd(architectureNames.map((arch) => twoAtATime(() => make(arch))))
}

/** As Promise.all, but nothing is still under way when it throws. */
export async function untilAllEnd<T>(works: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(works)
  return await Promise.all(works)
}
