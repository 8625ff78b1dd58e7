import { randomBytes, randomUUID } from 'node:crypto'
import type { S3Client } from '@aws-sdk/client-s3'
import { type DoubleSettings, account } from './settings.ts'

/** What everything in VPC has. */
export interface Thing {
  readonly id: string
  readonly crn: string
  readonly href: string
  readonly region: string
  readonly name: string
  readonly created_at: string
  resource_group: string
  /** Calls that still show the state before. */
  polls: number
  /** Set when it is being deleted: calls until it is gone. */
  deleting?: number
}

export interface ImageRecord extends Thing {
  status: 'pending' | 'available' | 'failed' | 'unusable' | 'deprecated' | 'obsolete'
  reasons: { code: string; message: string }[]
  readonly visibility: 'private' | 'public'
  readonly operatingSystem: string
  /** Of imports: where the bytes are. */
  readonly source?: { bucket: string; key: string }
  sha256?: string
  minimumGb?: number
  deprecation_at?: string
  obsolescence_at?: string
}

export interface VolumeRecord extends Thing {
  status: 'pending' | 'available' | 'failed'
  readonly capacity: number
  readonly profile: string
  readonly zone: string
  attachment:
    | { id: string; name: string; instance: string; deletesAlong: boolean; device: string }
    | undefined
}

export interface InstanceRecord extends Thing {
  status: 'pending' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed'
  reasons: { code: string; message: string }[]
  /** What it becomes when its polls are over. */
  becomes: 'running' | 'failed'
  readonly request: InstanceRequest
  readonly interfaceId: string
  readonly privateAddress: string
}

export interface InstanceRequest {
  readonly zone: string
  readonly profile: string
  readonly image: string
  readonly subnet: string
  readonly securityGroups: string[]
  readonly userData: string
}

export interface AddressRecord extends Thing {
  readonly address: string
  readonly zone: string
  target: string | undefined
  /** It never becomes available. */
  hasFailed?: boolean
}

export interface SubnetRecord {
  readonly id: string
  readonly region: string
  readonly zone: string
  readonly vpc: string
}

/** Everything that the double knows. */
export interface World {
  readonly settings: DoubleSettings
  /** Object storage, read as VPC itself would. */
  readonly store: S3Client
  readonly tokens: Map<string, number>
  readonly images: Map<string, ImageRecord>
  readonly volumes: Map<string, VolumeRecord>
  readonly instances: Map<string, InstanceRecord>
  /** Names of all machines that were ever made, also of those that are gone. */
  readonly machinesMade: string[]
  readonly addresses: Map<string, AddressRecord>
  readonly subnets: Map<string, SubnetRecord>
  readonly securityGroups: Map<string, { region: string; vpc: string; sshOpen: boolean }>
  /** Tags by CRN; what was attached last shows later. */
  readonly tags: Map<string, { tags: Set<string>; refusals: number; shown: Set<string>; hidden: number }>
  /** Names of all tags of the account, attached or not. */
  readonly tagNames: Set<string>
  /** What a page token stands for. */
  readonly pages: Map<string, { list: string; after: number }>
}

export function newThing(
  world: World,
  kind: 'image' | 'instance' | 'volume' | 'floating-ip',
  region: string,
  name: string,
  resourceGroup: string | undefined,
): Omit<Thing, 'polls'> {
  const id = `${kind === 'image' || kind === 'floating-ip' ? 'r050' : '02d7'}-${randomUUID()}`
  const path = `${kind.replace('-', '_')}s`
  const thing = {
    id,
    crn: `crn:v1:bluemix:public:is:${region}:a/${account}::${kind}:${id}`,
    href: `https://${region}.iaas.cloud.ibm.com/v1/${path}/${id}`,
    region,
    name,
    created_at: new Date().toISOString(),
    resource_group: resourceGroup ?? world.settings.resourceGroups[0]!.id,
  }
  const { attach } = world.settings.tagLag
  world.tags.set(thing.crn, { tags: new Set(), refusals: attach, shown: new Set(), hidden: 0 })
  return thing
}

/** A name that nobody chose, as VPC makes them of words. */
export function inventedName(): string {
  return `hyphenated-${randomBytes(4).toString('hex')}`
}
