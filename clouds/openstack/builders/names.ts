export type VolumeRole = 'data' | 'root'

/** What people see in the dashboard, and what the things of a lease are looked for by. */
export function resourceName(leaseId: string, role?: VolumeRole): string {
  return `factory-${leaseId}${role === undefined ? '' : `-${role}`}`
}
