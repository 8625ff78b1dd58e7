/** What tests turn, at any time; the double reads them at each request. */
export interface DoubleSettings {
  /** Looks that still show the state before: a server BUILD or on its way out, a volume creating or deleting, an address DOWN. */
  polls: { server: number; volume: number; address: number }
  /** Largest page of a listing, whatever is asked for. */
  pageSize: number
  /** Where Nova finds no host; what is not given means any. */
  noHost: { flavor?: string; zone?: string }[]
  /** Ends the next servers in ERROR with these words. */
  serverFault: string | undefined
  /** Removed servers stay, as with `reclaim_instance_interval`: in no listing, with their volumes, until somebody forces it. */
  isKept: boolean
  /** Volumes cannot be removed and end in `error_deleting`. */
  isVolumeStuck: boolean
  /** Ends the next volumes in `error`. */
  isVolumeBroken: boolean
  quotas: {
    instances: number
    cores: number
    ramMib: number
    volumes: number
    gigabytes: number
    floatingips: number
  }
  /** Addresses that the external network has left. */
  freeAddresses: number
  /** What the console of every server shows. */
  console: string
}

export function defaultSettings(): DoubleSettings {
  return {
    polls: { server: 2, volume: 1, address: 1 },
    pageSize: 2,
    noHost: [],
    serverFault: undefined,
    isKept: false,
    isVolumeStuck: false,
    isVolumeBroken: false,
    quotas: { instances: 10, cores: 40, ramMib: 200_000, volumes: 10, gigabytes: 1000, floatingips: 5 },
    freeAddresses: 10,
    console: '',
  }
}
