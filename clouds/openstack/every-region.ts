import type { Context } from '#src/context.ts'
import { type FactoryError, asFactoryError } from '#src/errors.ts'
import type { OpenstackSettings } from './settings.ts'

/** Goes through all regions; one that fails does not hide what the others have, and its failure is thrown at the end. */
export async function* fromEveryRegion<T>(
  { regions }: OpenstackSettings,
  ctx: Context,
  look: (region: string) => AsyncIterable<T>,
): AsyncIterable<T> {
  const failures: FactoryError[] = []
  for (const region of regions) {
    try {
      yield* look(region)
    } catch (error) {
      ctx.signal.throwIfAborted()
      failures.push(asFactoryError(error))
    }
  }
  if (failures[0]) throw failures[0]
}
