import type { BuilderSpec, Lease } from '#clouds/types.ts'
import { noCloudSeed } from '#src/builder/seed.ts'
import { leaseMarks, metadataOf } from '../marks.ts'
import type { OpenstackSettings } from '../settings.ts'
import type { Attempt, FrozenRequest } from './lease-record.ts'
import { resourceName } from './names.ts'

/**
 * The request for one server: https://docs.openstack.org/api-ref/compute/#create-server. Its first-boot configuration comes
 * on a config drive, so that it needs no metadata service, and its volumes go when it goes.
 */
export async function serverRequest(
  { configuration }: OpenstackSettings,
  { request, attempt, volumes }: { request: FrozenRequest; attempt: Attempt; volumes: Volumes },
  spec: BuilderSpec,
  lease: Lease,
): Promise<object> {
  const { access, leaseMs } = spec
  const name = resourceName(lease.id)
  const seed = await noCloudSeed({ access, user: request.user, leaseMs, instanceId: name })
  const { securityGroups } = configuration
  return {
    server: {
      name,
      flavorRef: attempt.flavorId,
      ...(volumes.root === undefined ? { imageRef: request.imageId } : {}),
      networks: request.networks.map((uuid) => ({ uuid })),
      ...(securityGroups.length === 0
        ? {}
        : { security_groups: securityGroups.map((group) => ({ name: group })) }),
      ...(attempt.zone === undefined ? {} : { availability_zone: attempt.zone }),
      config_drive: true,
      user_data: Buffer.from(seed.userData).toString('base64'),
      metadata: metadataOf(leaseMarks(lease)),
      block_device_mapping_v2: devices(request, volumes),
    },
  }
}

/** Ids of volumes that are ready. */
export interface Volumes {
  root?: string | undefined
  data?: string | undefined
}

function devices({ imageId }: FrozenRequest, { root, data }: Volumes): object[] {
  const boot =
    root === undefined
      ? {
          source_type: 'image',
          destination_type: 'local',
          uuid: imageId,
          boot_index: 0,
          delete_on_termination: true,
        }
      : { ...volume(root), boot_index: 0 }
  return data === undefined ? [boot] : [boot, { ...volume(data), boot_index: -1 }]
}

function volume(uuid: string) {
  return { source_type: 'volume', destination_type: 'volume', uuid, delete_on_termination: true }
}
