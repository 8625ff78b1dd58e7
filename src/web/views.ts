import type { Price } from '#src/cost.ts'
import type { FactoryState, ReleaseState } from '#src/journal/replay.ts'
import { costOf } from '#src/release/release-cost.ts'

/** A release as `GET /api/releases` tells it; times are RFC 3339. */
export interface ReleaseView extends Omit<ReleaseState, 'inputs' | 'openedAt' | 'epoch'> {
  openedAt: string
  /** Those that point to it. */
  channels: ('candidate' | 'promoted' | 'previous')[]
}

/** A rented machine as `GET /api/leases` tells it; times are RFC 3339. */
export interface LeaseView {
  lease: string
  cloud: string
  arch: string
  release: string
  purpose: 'build' | 'verify'
  machine?: string
  takenAt: string
  expires: string
  kept: boolean
  failed: boolean
  /** One sum a currency; empty where nothing has a price. */
  cost: Price[]
}

/** Newest first. */
export function releaseViews({ releases, channels }: FactoryState): ReleaseView[] {
  const places = {
    candidate: channels.candidate,
    promoted: channels.promoted?.release,
    previous: channels.previous?.release,
  }
  return releases.toReversed().map(({ inputs: _inputs, epoch: _epoch, openedAt, ...release }) => ({
    ...release,
    openedAt: new Date(openedAt).toISOString(),
    channels: (['candidate', 'promoted', 'previous'] as const).filter(
      (channel) => places[channel] === release.release,
    ),
  }))
}

/** Those that were not given back yet, oldest first. */
export function leaseViews({ leases }: FactoryState, now: number): LeaseView[] {
  return leases
    .filter(({ released }) => !released)
    .map((taken) => {
      const { lease, cloud, purpose, ref, takenAt, expires, kept, failed } = taken
      const { release, arch } = lease
      const spent = costOf({
        release,
        arch,
        leases: [taken],
        images: [],
        artifacts: [],
        clouds: new Map(),
        now,
      })
      return {
        lease: lease.id,
        cloud,
        arch,
        release,
        purpose,
        ...(ref ? { machine: ref.machine } : {}),
        takenAt: new Date(takenAt).toISOString(),
        expires,
        kept,
        failed,
        cost: spent['machines-total'],
      }
    })
}
