import type { ArchitectureName } from '#arch/index.ts'
import type { BuilderPool, Lease } from '#clouds/types.ts'
import { FactoryError } from '#src/errors.ts'
import { holdsPlace } from '#src/journal/claims.ts'
import type { LeaseTaken } from '#src/journal/journal.ts'
import type { LeaseState } from '#src/journal/leases.ts'
import { sleep } from '#src/sleep.ts'
import { formatDuration } from '#src/units.ts'
import type { ReleaseScope } from './scope.ts'

const lookEveryMs = 300
const tellAfterMs = 60_000

/**
 * Writes a lease into the journal as soon as its cloud has a place for one more machine of ours, in the order in which
 * it was asked; a lease begins then, and not when the waiting does. Throws `no-place-left` (class capacity) when only
 * machines that are kept on purpose stand in the way, or when nothing moves for as long as a lease lasts.
 */
export async function claimPlace(
  scope: ReleaseScope,
  cloud: string,
  leaseFor: () => LeaseTaken,
): Promise<Lease> {
  const pool = scope.clouds.get(cloud)?.builders
  const limit = pool?.maxBuilders ?? 1
  const waitForPlace = async () => {
    const startedAt = scope.now()
    let told = false
    for (;;) {
      const record = leaseFor()
      const { arch } = record.lease
      const own = pool?.maxBuildersOf?.(arch) ?? Infinity
      const all = scope.journal.state().leases.filter((taken) => taken.cloud === cloud && !taken.released)
      const ofArch = all.filter(({ lease }) => lease.arch === arch)
      const free = ofArch.filter((each) => holdsPlace(each, scope.now())).length < own
      if (free && scope.journal.claim(record, limit)) return record.lease
      const standing = free ? all : ofArch
      const waitedMs = scope.now() - startedAt
      if (standing.every(({ kept }) => kept) || waitedMs > scope.configuration.limits.lease) {
        throw noPlace(cloud, Math.min(own, limit), standing)
      }
      if (waitedMs > tellAfterMs && !told) {
        told = true
        tellWaiting(scope, record, standing, waitedMs)
      }
      await sleep(lookEveryMs, scope.signal)
    }
  }
  const inOrder = scope.queues.get(queueName(cloud, pool, leaseFor().lease.arch))
  return inOrder ? await inOrder(waitForPlace) : await waitForPlace()
}

/** Who waits for a machine of one architecture does not keep another from machines that are its own. */
export function queueName(cloud: string, pool: BuilderPool | undefined, arch: ArchitectureName): string {
  return pool?.maxBuildersOf ? `${cloud} ${arch}` : cloud
}

function tellWaiting(
  { listener, now }: ReleaseScope,
  { lease, cloud }: LeaseTaken,
  standing: readonly LeaseState[],
  waitedMs: number,
): void {
  const message = `${lease.arch} has waited ${formatDuration(waitedMs)} for a place at ${cloud}; taken by ${shown(standing)}`
  listener({ type: 'warning', at: now(), arch: lease.arch, message })
}

function noPlace(cloud: string, limit: number, standing: readonly LeaseState[]): FactoryError {
  const arch = standing.find(({ kept }) => kept)?.lease.arch
  const giveBack = arch === undefined ? '' : `Give a kept builder back: factory ssh ${arch} --give-back; or `
  return new FactoryError({
    code: 'no-place-left',
    message: `${cloud} may have ${limit} machines of ours at once, and it has: ${shown(standing)}`,
    hint: `${giveBack}${giveBack === '' ? 'Raise' : 'raise'} maxBuilders of ${cloud}, or the slots of its hosts.`,
    class: 'capacity',
  })
}

function shown(standing: readonly LeaseState[]): string {
  return standing
    .map(({ lease, kept, ref }) => `${ref?.machine ?? lease.id}${kept ? ' (kept)' : ''} of ${lease.release}`)
    .join(', ')
}
