import type { Resource } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError, type FactoryError } from '#src/errors.ts'
import { words } from '../marks.ts'
import type { OpenstackSettings } from '../settings.ts'
import { addressesOf } from './addresses.ts'
import { machinesOfOwner } from './machines.ts'
import { volumesOfOwner } from './volumes.ts'

/**
 * Everything that bears the owner's mark and that of a lease, in every state. A kind that cannot be listed does not hide
 * the others; its failure is thrown at the end.
 */
export async function* findRented(
  settings: OpenstackSettings,
  owner: string,
  ctx: Context,
): AsyncIterable<Resource> {
  const { region } = settings.configuration
  const kinds = [
    ['machine', () => machinesOfOwner(settings, owner, ctx)],
    ['disk', () => volumesOfOwner(settings, owner, ctx)],
    ['address', () => addressesOf(settings, { owner }, ctx)],
  ] as const
  const failures: FactoryError[] = []
  for (const [kind, look] of kinds) {
    try {
      for (const { id, state, marks } of await look()) yield { kind, id, state, region, ...words(marks) }
    } catch (error) {
      ctx.signal.throwIfAborted()
      failures.push(asFactoryError(error))
    }
  }
  if (failures[0]) throw failures[0]
}
