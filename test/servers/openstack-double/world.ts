import { randomUUID } from 'node:crypto'
import type { Stack } from '../openstack/stack.ts'
import type { DoubleSettings } from './settings.ts'
import type { Caller } from './token.ts'

export interface ServerRecord {
  readonly id: string
  readonly projectId: string
  readonly name: string
  readonly flavor: string
  readonly imageId: string | undefined
  readonly zone: string
  readonly userData: string
  readonly configDrive: boolean
  readonly securityGroups: readonly string[]
  readonly created: string
  metadata: Record<string, string>
  status: 'BUILD' | 'ACTIVE' | 'ERROR' | 'SHUTOFF' | 'SOFT_DELETED'
  task: 'scheduling' | 'deleting' | null
  /** Looks that the present state lasts, for one that passes by itself. */
  pollsLeft: number
  fault: string | undefined
  volumes: { id: string; isDeletedToo: boolean }[]
}

export interface VolumeRecord {
  readonly id: string
  readonly projectId: string
  readonly name: string
  readonly sizeGib: number
  readonly zone: string
  readonly type: string
  readonly imageId: string | undefined
  readonly created: string
  metadata: Record<string, string>
  status: 'creating' | 'available' | 'in-use' | 'deleting' | 'error' | 'error_deleting'
  pollsLeft: number
  serverId: string | undefined
}

export interface PortRecord {
  readonly id: string
  readonly networkId: string
  readonly serverId: string
  readonly address: string
}

export interface AddressRecord {
  readonly id: string
  readonly projectId: string
  readonly address: string
  readonly networkId: string
  description: string
  portId: string | null
  status: 'ACTIVE' | 'DOWN'
  pollsLeft: number
}

export interface NetworkRecord {
  readonly id: string
  readonly name: string
  readonly isExternal: boolean
  readonly isShared: boolean
}

/** Everything that the double knows. */
export interface World {
  readonly stack: Stack
  readonly settings: DoubleSettings
  readonly servers: Map<string, ServerRecord>
  /** Names of all servers that were ever made, also of those that are gone. */
  readonly serversMade: string[]
  readonly volumes: Map<string, VolumeRecord>
  readonly ports: Map<string, PortRecord>
  readonly addresses: Map<string, AddressRecord>
  readonly networks: NetworkRecord[]
  readonly securityGroups: { id: string; name: string; ssh: boolean }[]
  readonly flavors: { id: string; name: string; vcpus: number; ramMib: number; diskGib: number }[]
  readonly zones: string[]
  readonly volumeTypes: { id: string; name: string }[]
  /** By token, what Keystone said of it and until when that counts. */
  readonly callers: Map<string, { caller: Caller; until: number }>
}

export function openWorld(stack: Stack, settings: DoubleSettings): World {
  return {
    stack,
    settings,
    servers: new Map(),
    serversMade: [],
    volumes: new Map(),
    ports: new Map(),
    addresses: new Map(),
    callers: new Map(),
    networks: [
      { id: randomUUID(), name: 'builders', isExternal: false, isShared: false },
      { id: randomUUID(), name: 'storage', isExternal: false, isShared: false },
      { id: randomUUID(), name: 'public', isExternal: true, isShared: false },
    ],
    securityGroups: [
      { id: randomUUID(), name: 'default', ssh: false },
      { id: randomUUID(), name: 'ssh', ssh: true },
    ],
    flavors: [
      { id: '1', name: 'm1.tiny', vcpus: 1, ramMib: 512, diskGib: 1 },
      { id: randomUUID(), name: 'm1.large', vcpus: 4, ramMib: 8192, diskGib: 80 },
      { id: randomUUID(), name: 'm1.xlarge', vcpus: 8, ramMib: 16384, diskGib: 160 },
      { id: randomUUID(), name: 'd1.volume', vcpus: 4, ramMib: 8192, diskGib: 0 },
    ],
    zones: ['nova', 'power'],
    volumeTypes: [
      { id: randomUUID(), name: 'ceph' },
      { id: randomUUID(), name: 'fast' },
    ],
  }
}
