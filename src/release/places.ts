import { setTimeout as delay } from 'node:timers/promises'
import { FactoryError } from '#src/errors.ts'
import type { LeaseTaken } from '#src/journal/journal.ts'
import type { ReleaseScope } from './scope.ts'

const lookEveryMs = 300

/**
 * Writes the lease into the journal as soon as its cloud has a place for one more machine of ours, in the order in which
 * it was asked. Throws `no-place-left` (class capacity) when only machines that are kept on purpose stand in the way.
 */
export async function claimPlace(scope: ReleaseScope, record: LeaseTaken): Promise<void> {
  const { cloud } = record
  const limit = scope.clouds.get(cloud)?.builders?.maxBuilders ?? 1
  const inOrder = scope.queues.get(cloud) ?? ((call: () => Promise<void>) => call())
  await inOrder(async () => {
    while (!scope.journal.claim(record, limit)) {
      const standing = scope.journal
        .state()
        .leases.filter((taken) => taken.cloud === cloud && !taken.released)
      if (standing.every(({ kept }) => kept)) throw allKept(cloud, limit, standing[0]?.lease.arch ?? 'ARCH')
      await delay(lookEveryMs, undefined, { signal: scope.signal })
    }
  })
}

function allKept(cloud: string, limit: number, arch: string): FactoryError {
  return new FactoryError({
    code: 'no-place-left',
    message: `${cloud} may have ${limit} machines of ours at once, and all of them are kept builders of failed builds`,
    hint: `Give one back: factory ssh ${arch} --give-back; or raise maxBuilders of ${cloud}.`,
    class: 'capacity',
  })
}
