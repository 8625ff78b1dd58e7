import type { Resource } from '#clouds/types.ts'

/** Everything of one lease on a hypervisor has a name that follows from the lease: the name is the idempotency token. */
export interface LeaseNames {
  readonly domain: string
  readonly marks: string
  readonly disk: string
  readonly dataDisk: string
  readonly seed: string
  readonly firmwareState: string
  readonly console: string
}

export function leaseNames(leaseId: string): LeaseNames {
  const stem = `factory-${leaseId}`
  return {
    domain: stem,
    marks: `${stem}.json`,
    disk: `${stem}.qcow2`,
    dataDisk: `${stem}-data.raw`,
    seed: `${stem}-seed.iso`,
    firmwareState: `${stem}-vars.fd`,
    console: `${stem}-console.log`,
  }
}

/** The volumes of a lease among all names of a pool, the marks last; a log that grew long has numbered older parts. */
export function volumesOfLease(names: readonly string[], leaseId: string): string[] {
  const { disk, dataDisk, seed, firmwareState, console: consoleLog, marks } = leaseNames(leaseId)
  const ours = [disk, dataDisk, seed, firmwareState]
  const found = names.filter(
    (name) =>
      ours.includes(name) ||
      name.replace(/\.\d+$/, '') === consoleLog ||
      prolongedUntil(name, leaseId) !== undefined,
  )
  return names.includes(marks) ? [...found, marks] : found
}

/** The lease that a volume of marks belongs to; undefined for every other volume. */
export function leaseOfMarks(name: string): string | undefined {
  return /^factory-([a-z0-9-]{1,40})\.json$/.exec(name)?.[1]
}

/**
 * The volume that says by its name alone until when a lease was prolonged: it has no content that a kill could tear.
 * Without colons, because in the name of a disk QEMU takes what stands before one for a protocol.
 */
export function prolongedMark(leaseId: string, expires: string): string {
  return `factory-${leaseId}.until-${expires.replaceAll(':', '_')}`
}

/** The end of the lease that a volume's name says; undefined for every other volume. */
export function prolongedUntil(name: string, leaseId: string): string | undefined {
  const prefix = `factory-${leaseId}.until-`
  const expires = name.startsWith(prefix) ? name.slice(prefix.length).replaceAll('_', ':') : ''
  return Number.isNaN(Date.parse(expires)) ? undefined : expires
}

/** What a volume of a lease is in the words of the contract. */
export function resourceKind(volume: string): Resource['kind'] {
  if (volume.endsWith('-seed.iso')) return 'seed'
  return volume.endsWith('-vars.fd') ? 'firmware-state' : 'disk'
}
