import type { ArchitectureName } from '#arch/index.ts'
import type { BuilderPool, Lease } from '#clouds/types.ts'
import { FactoryError } from '#src/errors.ts'
import { holdsPlace } from '#src/journal/claims.ts'
import type { LeaseTaken } from '#src/journal/journal.ts'
import type { LeaseState } from '#src/journal/leases.ts'
import type { FactoryState } from '#src/journal/replay.ts'
import { sleep } from '#src/sleep.ts'
import { formatDuration } from '#src/units.ts'
import { lastBuildMs } from './last-build.ts'
import type { ReleaseScope } from './scope.ts'

const lookEveryMs = 300
const tellAfterMs = 5 * 60_000
/** So long a build waits for those that are not ready to ask, to see who has most work. */
const gatherMs = 10_000

/** One who waits for a place. */
export interface Waiting {
  /** Milliseconds of work that its machine will have, as far as is known; 0 for a boot check, which has nothing after it. */
  readonly workMs: number
}

/**
 * Writes a lease into the journal as soon as its cloud has a place for one more machine of ours; a lease begins then, and
 * not when the waiting does. Of those who wait for the same places, who has most work before it goes first, so that a
 * release does not end with a long build alone, and of those that are alike who asked first. Throws `no-place-left`
 * (class capacity) when only machines that are kept on purpose stand in the way, or when nothing moves for as long as a
 * lease lasts.
 */
export async function claimPlace(
  scope: ReleaseScope,
  cloud: string,
  leaseFor: () => LeaseTaken,
): Promise<Lease> {
  const pool = scope.clouds.get(cloud)?.builders
  const limit = pool?.maxBuilders ?? 1
  const { arch: asked } = leaseFor().lease
  const queue = scope.queues.get(queueName(cloud, pool, asked)) ?? []
  const me: Waiting = { workMs: workOf(scope.journal.state(), leaseFor()) }
  queue.push(me)
  if (me.workMs > 0) scope.coming.delete(asked)
  try {
    if (me.workMs > 0 && pool?.maxBuildersOf === undefined) await gather(scope, limit, queue)
    let firstSince = Infinity
    let told = false
    for (;;) {
      if (firstOf(queue) !== me) {
        firstSince = Infinity
        await sleep(lookEveryMs, scope.signal)
        continue
      }
      firstSince = Math.min(firstSince, scope.now())
      const record = leaseFor()
      const { arch } = record.lease
      const own = pool?.maxBuildersOf?.(arch) ?? Infinity
      const all = scope.journal.state().leases.filter((taken) => taken.cloud === cloud && !taken.released)
      const ofArch = all.filter(({ lease }) => lease.arch === arch)
      const free = ofArch.filter((each) => holdsPlace(each, scope.now())).length < own
      if (free && scope.journal.claim(record, limit)) return record.lease
      const standing = free ? all : ofArch
      const waitedMs = scope.now() - firstSince
      if (standing.every(({ kept }) => kept) || waitedMs > scope.configuration.limits.lease) {
        throw noPlace(cloud, Math.min(own, limit), standing)
      }
      if (waitedMs > tellAfterMs && !told) {
        told = true
        tellWaiting(scope, record, standing, waitedMs)
      }
      await sleep(lookEveryMs, scope.signal)
    }
  } finally {
    queue.splice(queue.indexOf(me), 1)
  }
}

/** Where not all can have a place, the first ones wait until all have asked, but not for one that takes long to get ready. */
async function gather(scope: ReleaseScope, limit: number, queue: readonly Waiting[]): Promise<void> {
  const until = scope.now() + gatherMs
  while (scope.coming.size > 0 && queue.length + scope.coming.size > limit && scope.now() < until) {
    await sleep(50, scope.signal)
  }
}

function firstOf(queue: readonly Waiting[]): Waiting | undefined {
  return queue.toSorted((one, other) => other.workMs - one.workMs)[0]
}

function workOf(state: FactoryState, { purpose, lease }: LeaseTaken): number {
  return purpose === 'build' ? Math.max(1, lastBuildMs(state, lease.arch)) : 0
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
