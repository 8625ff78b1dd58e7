import type { Image, Lease } from '#clouds/types.ts'
import type { BuilderRef } from '#src/builder/types.ts'
import type { StoredRecord } from './records.ts'

export interface LeaseState {
  lease: Lease
  cloud: string
  purpose: 'build' | 'verify'
  dataBytes: number
  /** Milliseconds from boot after which the unprolonged machine ends; absent in old journals. */
  leaseMs?: number
  /** The image that it boots instead of the base disk. */
  image?: Image
  /** The destination that is verified, `cloud/region`. */
  target?: string
  ref?: BuilderRef
  /** When it was asked for (milliseconds since 1970). */
  takenAt: number
  /** When the machine ends unless it is prolonged again, as last written (RFC 3339). */
  expires: string
  /** A step on this machine failed, so it is not gone on with. */
  failed: boolean
  /** Left running on purpose, by --keep-builders. */
  kept: boolean
  /** Adopted from its cloud: its keys are lost, so it can only be given back. */
  found?: true
  released: boolean
  releasedAt?: number
}

/** Leases stand for themselves: one may be of a release that only the clouds remember. */
export function applyLease(leases: LeaseState[], record: StoredRecord): boolean {
  const change = (leaseId: string, changes: Partial<LeaseState>) => {
    const taken = leases.findLast(({ lease }) => lease.id === leaseId)
    if (taken) Object.assign(taken, changes)
    return true
  }
  switch (record.type) {
    case 'lease-taken':
      return leases.push(openLease(record)) > 0
    case 'lease-found':
      leases.push({ ...openLease({ ...record, purpose: 'build', dataBytes: 0 }), found: true })
      return true
    case 'lease-acquired':
      return change(record.ref.leaseId, { ref: record.ref as BuilderRef })
    case 'lease-prolonged':
      return change(record.leaseId, { expires: record.expires })
    case 'lease-kept':
      return change(record.leaseId, { kept: true })
    case 'lease-released':
      return change(record.leaseId, { released: true, releasedAt: record.at })
    default:
      return false
  }
}

function openLease(
  record: Pick<LeaseState, 'lease' | 'cloud' | 'purpose' | 'dataBytes'> & {
    at: number
    leaseMs?: number | undefined
    image?: Image | undefined
    target?: string | undefined
  },
): LeaseState {
  const { lease, cloud, purpose, dataBytes, leaseMs, image, target } = record
  return {
    lease,
    cloud,
    purpose,
    dataBytes,
    ...(leaseMs === undefined ? {} : { leaseMs }),
    ...(image === undefined ? {} : { image }),
    ...(target === undefined ? {} : { target }),
    takenAt: record.at,
    expires: lease.expires,
    failed: false,
    kept: false,
    released: false,
  }
}

/** What failed on a machine makes that machine one that is not gone on with; what was only stopped does not. */
export function failLeases(
  leases: LeaseState[],
  failed: Extract<StoredRecord, { type: 'step-failed' }>,
): void {
  if (failed.error.class === 'interrupted') return
  for (const taken of leases) {
    const same =
      taken.lease.release === failed.release &&
      taken.lease.arch === failed.arch &&
      taken.target === failed.target
    if (same && !taken.released) taken.failed = true
  }
}
