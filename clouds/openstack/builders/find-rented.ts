import type { Resource } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError, type FactoryError } from '#src/errors.ts'
import { type ServiceName, hasService } from '../catalogue.ts'
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
  const { region, flavors } = settings.configuration
  const kinds = [
    ['machine', 'compute', () => machinesOfOwner(settings, owner, ctx)],
    ['disk', 'volume', () => volumesOfOwner(settings, owner, ctx)],
    ['address', 'network', () => addressesOf(settings, { owner }, ctx)],
  ] as const
  const isForImagesOnly = Object.keys(flavors).length === 0
  const failures: FactoryError[] = []
  for (const [kind, service, look] of kinds) {
    try {
      if (isForImagesOnly && !(await isThere(settings, service, ctx))) continue
      for (const { id, state, marks } of await look()) yield { kind, id, state, region, ...words(marks) }
    } catch (error) {
      ctx.signal.throwIfAborted()
      failures.push(asFactoryError(error))
    }
  }
  if (failures[0]) throw failures[0]
}

/** A cloud that is there for images alone may have nothing else. */
async function isThere(
  { session, configuration: { region } }: OpenstackSettings,
  service: ServiceName,
  ctx: Context,
): Promise<boolean> {
  const { catalogue } = await session.token(ctx)
  const { interface: which = 'public' } = await session.identity()
  return hasService(catalogue, service, region, which)
}
