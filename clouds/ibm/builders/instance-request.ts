import type { BuilderSpec, Lease } from '#clouds/types.ts'
import { noCloudSeed } from '#src/builder/seed.ts'
import { leaseMarks, tagsOf } from '../marks.ts'
import { rentedName } from '../names.ts'
import type { IbmSettings } from '../settings.ts'
import type { Attempt, FrozenRequest } from './lease-record.ts'

/**
 * The request for one machine: https://cloud.ibm.com/apidocs/vpc#create-instance. Its volumes go when it goes, it has no
 * rights of its own, and it stays stopped when its host fails: one that restarted would have lost what was built on it.
 */
export async function instanceRequest(
  { configuration }: IbmSettings,
  request: FrozenRequest,
  { profile, subnet, zone, vpc }: Attempt,
  spec: BuilderSpec,
  lease: Lease,
): Promise<object> {
  const { id, owner } = lease
  const user_tags = tagsOf(leaseMarks(lease), configuration.tags)
  const volume = (kind: 'boot' | 'data', capacity: number) => ({
    name: kind,
    delete_volume_on_instance_delete: true,
    volume: {
      name: rentedName(kind, id, owner),
      capacity,
      profile: { name: request.volumeProfile },
      user_tags,
    },
  })
  const name = rentedName('machine', id, owner)
  const { access, leaseMs } = spec
  const seed = await noCloudSeed({ access, user: request.user, leaseMs, instanceId: name })
  return {
    name,
    image: { id: request.imageId },
    profile: { name: profile },
    zone: { name: zone },
    vpc: { id: vpc },
    ...groupOf(request),
    primary_network_interface: {
      name: 'eth0',
      subnet: { id: subnet },
      ...(request.securityGroups.length === 0
        ? {}
        : { security_groups: request.securityGroups.map((group) => ({ id: group })) }),
    },
    boot_volume_attachment: volume('boot', request.bootGb),
    ...(request.dataGb === 0 ? {} : { volume_attachments: [volume('data', request.dataGb)] }),
    metadata_service: { enabled: false },
    availability_policy: { host_failure: 'stop' },
    user_data: seed.userData,
  }
}

/** `resource_group` of a request; nothing means the account's default. */
export function groupOf({ resourceGroup }: FrozenRequest): { resource_group?: { id: string } } {
  return resourceGroup === undefined ? {} : { resource_group: { id: resourceGroup } }
}
