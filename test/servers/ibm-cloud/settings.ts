/** An operating system as VPC lists them. */
export interface OperatingSystem {
  name: string
  architecture: 'amd64' | 's390x'
  allow_user_image_creation: boolean
  user_data_format: 'cloud_init' | 'ipxe' | 'esxi_kickstart'
}

/** What tests turn, at any time; the double reads them at each request. */
export interface DoubleSettings {
  apiKeys: string[]
  /** Seconds that a token lives. */
  tokenSeconds: number
  regions: string[]
  resourceGroups: { id: string; name: string }[]
  /** Service-to-service authorization of VPC's images on object storage: of all instances, of one, or none. */
  authorization: 'there' | 'missing' | 'for another bucket'
  operatingSystems: OperatingSystem[]
  /** Actions that the API key may not do. */
  denied: string[]
  /** So many calls show the state before. */
  polls: { image: number; instance: number; address: number; deletion: number }
  /** Tries to tag a new thing that fail, and reads of its tags that do not show them yet. */
  tagLag: { attach: number; read: number }
  /** How imports end. */
  importOutcome:
    | 'available'
    | 'wrong checksum'
    | { status: 'failed' | 'unusable'; code: string; message: string }
  quotas: { images: number; instances: number; addresses: number }
  /** Zones without capacity, of a profile or of any. */
  noCapacity: { zone?: string; profile?: string }[]
  /** Largest page, whatever is asked for. */
  pageSize: number
}

export const testKey = 'an-api-key-for-tests'
export const account = '0123456789abcdef0123456789abcdef'

export function defaultSettings(): DoubleSettings {
  const open = { allow_user_image_creation: true, user_data_format: 'cloud_init' } as const
  return {
    apiKeys: [testKey],
    tokenSeconds: 3600,
    regions: ['eu-es', 'br-sao', 'us-east'],
    resourceGroups: [
      { id: 'a'.repeat(32), name: 'Default' },
      { id: 'b'.repeat(32), name: 'copr' },
    ],
    authorization: 'there',
    operatingSystems: [
      { name: 'red-9-amd64', architecture: 'amd64', ...open },
      { name: 'red-9-amd64-byol', architecture: 'amd64', ...open },
      { name: 'red-8-s390x-byol', architecture: 's390x', ...open },
      { name: 'esxi-8', architecture: 'amd64', ...open, user_data_format: 'esxi_kickstart' },
      { name: 'hyper-protect-1-0-s390x', architecture: 's390x', ...open, allow_user_image_creation: false },
    ],
    denied: [],
    polls: { image: 2, instance: 2, address: 1, deletion: 1 },
    tagLag: { attach: 1, read: 2 },
    importOutcome: 'available',
    quotas: { images: 100, instances: 10, addresses: 40 },
    noCapacity: [],
    pageSize: 100,
  }
}
