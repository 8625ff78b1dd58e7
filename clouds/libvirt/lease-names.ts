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
  const found = names.filter((name) => ours.includes(name) || name.replace(/\.\d+$/, '') === consoleLog)
  return names.includes(marks) ? [...found, marks] : found
}

/** The lease that a volume of marks belongs to; undefined for every other volume. */
export function leaseOfMarks(name: string): string | undefined {
  return /^factory-([a-z0-9-]{1,40})\.json$/.exec(name)?.[1]
}

/** What a volume of a lease is in the words of the contract. */
export function resourceKind(volume: string): Resource['kind'] {
  if (volume.endsWith('-seed.iso')) return 'seed'
  return volume.endsWith('-vars.fd') ? 'firmware-state' : 'disk'
}
