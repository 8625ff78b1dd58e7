import type { Context } from '#src/context.ts'
import { type FactoryError, asFactoryError } from '#src/errors.ts'
import type { Hypervisor } from './hypervisor.ts'
import type { LibvirtSettings } from './settings.ts'

/** Goes through all hypervisors; one that fails does not hide what the others have, and its failure is thrown at the end. */
export async function* fromEvery<T>(
  settings: LibvirtSettings,
  ctx: Context,
  look: (hypervisor: Hypervisor) => AsyncIterable<T>,
): AsyncIterable<T> {
  const failures: FactoryError[] = []
  for (const hypervisor of settings.hypervisors) {
    try {
      yield* look(hypervisor)
    } catch (error) {
      ctx.signal.throwIfAborted()
      failures.push(asFactoryError(error))
    }
  }
  if (failures[0]) throw failures[0]
}

/** What the hypervisors answered side by side; `failure` is the first one of a hypervisor whose answer decides. */
export async function askEvery<T>(
  settings: LibvirtSettings,
  ctx: Context,
  ask: (hypervisor: Hypervisor) => Promise<T>,
  decides: (region: string) => boolean,
): Promise<{ answers: T[]; failure?: unknown }> {
  const asked = await Promise.allSettled(settings.hypervisors.map(ask))
  ctx.signal.throwIfAborted()
  const answers = asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  for (const [index, each] of asked.entries()) {
    if (each.status === 'rejected' && decides(settings.hypervisors[index]!.region)) {
      return { answers, failure: each.reason }
    }
  }
  return { answers }
}
