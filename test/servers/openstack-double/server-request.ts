import { z } from 'zod'
import { type Call, Refusal } from './request.ts'
import { bodyOf, metadata, name, uuid } from './shapes.ts'
import type { ServerRecord, World } from './world.ts'

const device = z.strictObject({
  source_type: z.enum(['volume', 'image', 'snapshot', 'blank']),
  destination_type: z.enum(['local', 'volume']),
  uuid: z.string().optional(),
  boot_index: z.int(),
  delete_on_termination: z.boolean(),
  volume_size: z.int().min(1).optional(),
})

/** nova/api/openstack/compute/schemas/servers.py, as far as we use it; `networks` is required since 2.37. */
const request = z.strictObject({
  server: z.strictObject({
    name,
    imageRef: z.union([uuid, z.literal('')]).optional(),
    flavorRef: z.string().min(1).max(255),
    networks: z.union([
      z.array(z.strictObject({ uuid, port: uuid.optional(), fixed_ip: z.string().optional() })),
      z.enum(['auto', 'none']),
    ]),
    security_groups: z.array(z.strictObject({ name })).optional(),
    availability_zone: name.optional(),
    config_drive: z.boolean().optional(),
    user_data: z.base64().max(65_535).optional(),
    metadata: metadata.optional(),
    block_device_mapping_v2: z.array(device).optional(),
  }),
})

export type ServerRequest = z.infer<typeof request>['server']

/** Reads a request for a server and refuses what Nova would refuse before it makes anything. */
export async function readServerRequest(call: Call, world: World): Promise<ServerRequest> {
  const { server } = bodyOf(call, request)
  const flavor = world.flavors.find(({ id }) => id === server.flavorRef)
  if (!flavor) throw new Refusal(400, `Flavor ${server.flavorRef} could not be found.`)
  if (server.availability_zone !== undefined && !world.zones.includes(server.availability_zone)) {
    throw new Refusal(400, 'The requested availability zone is not available')
  }
  for (const group of server.security_groups ?? []) {
    const found = world.securityGroups.some((each) => each.id === group.name || each.name === group.name)
    if (!found)
      throw new Refusal(400, `Security group ${group.name} not found for project ${call.projectId}.`)
  }
  needNetworks(server, world)
  await needDisks(call, server, flavor.diskGib, world)
  needQuota(call, flavor, world)
  return server
}

function needNetworks({ networks }: ServerRequest, world: World): void {
  const own = world.networks.filter(({ isExternal }) => !isExternal)
  if (networks === 'auto' && own.length > 1) {
    throw new Refusal(409, 'Multiple possible networks found, use a Network ID to be more specific.')
  }
  if (typeof networks === 'string') return
  if (networks.length === 0 && own.length > 1) {
    throw new Refusal(409, 'Multiple possible networks found, use a Network ID to be more specific.')
  }
  for (const { uuid: id } of networks) {
    const found = world.networks.find((network) => network.id === id)
    if (!found) throw new Refusal(400, `Network ${id} could not be found.`)
    if (found.isExternal)
      throw new Refusal(403, `It is not allowed to create an interface on external network ${id}`)
  }
}

async function needDisks(call: Call, server: ServerRequest, diskGib: number, world: World): Promise<void> {
  const { block_device_mapping_v2: devices = [], imageRef } = server
  const boots = devices.filter(({ boot_index }) => boot_index === 0)
  if (boots.length > 1 || (devices.length > 0 && boots.length === 0)) {
    throw new Refusal(
      400,
      'Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid.',
    )
  }
  for (const each of devices.filter(({ source_type }) => source_type === 'volume')) {
    const volume = world.volumes.get(each.uuid ?? '')
    if (!volume || volume.projectId !== call.projectId)
      throw new Refusal(400, `Block Device Mapping is Invalid: failed to get volume ${each.uuid}.`)
    if (volume.status !== 'available') {
      throw new Refusal(
        400,
        `Invalid volume: Volume ${each.uuid} status must be 'available', but is '${volume.status}'`,
      )
    }
    if (each.destination_type !== 'volume') throw new Refusal(400, 'Block Device Mapping is Invalid')
    if (each.boot_index === 0 && volume.imageId === undefined)
      throw new Refusal(400, `Block Device Mapping is Invalid: Volume ${each.uuid} is not bootable.`)
  }
  const [boot] = boots
  const isFromVolume = boot?.source_type === 'volume'
  if (isFromVolume) {
    if (imageRef)
      throw new Refusal(400, 'the double wants no imageRef for a server that starts from a volume')
    return
  }
  if (
    !imageRef ||
    (boot && (boot.source_type !== 'image' || boot.uuid !== imageRef || boot.destination_type !== 'local'))
  ) {
    throw new Refusal(400, 'Invalid imageRef provided.')
  }
  const image = await imageOf(call, imageRef, world)
  if (image.status !== 'active') throw new Refusal(400, `Image ${imageRef} is not active.`)
  if (diskGib === 0) {
    throw new Refusal(403, 'Only volume-backed servers are allowed for flavors with zero disk.')
  }
  if (image.min_disk > diskGib)
    throw new Refusal(400, "Flavor's disk is smaller than the minimum size specified in image metadata.")
}

/** The image as the real Glance shows it to whoever asks. */
export async function imageOf(
  { token }: Pick<Call, 'token'>,
  id: string,
  { stack }: World,
): Promise<{ status: string; min_disk: number; size: number }> {
  const answer = await fetch(`${stack.glanceUrl}/v2/images/${id}`, { headers: { 'x-auth-token': token } })
  const text = await answer.text()
  if (!answer.ok) throw new Refusal(400, `Image ${id} could not be found.`)
  return JSON.parse(text) as { status: string; min_disk: number; size: number }
}

function needQuota({ projectId }: Call, flavor: World['flavors'][number], world: World): void {
  const own = [...world.servers.values()].filter((server) => server.projectId === projectId)
  const cores = own.reduce(
    (sum, { flavor: id }) => sum + (world.flavors.find((each) => each.id === id)?.vcpus ?? 0),
    0,
  )
  const { quotas } = world.settings
  const over = (what: string, asked: number, used: number, most: number) => {
    if (used + asked <= most) return
    throw new Refusal(
      403,
      `Quota exceeded for ${what}: Requested ${asked}, but already used ${used} of ${most} ${what}`,
    )
  }
  over('instances', 1, own.length, quotas.instances)
  over('cores', flavor.vcpus, cores, quotas.cores)
}

/** What a server of this request is. */
export function recordOf(server: ServerRequest, projectId: string, id: string, world: World): ServerRecord {
  const { block_device_mapping_v2: devices = [] } = server
  return {
    id,
    projectId,
    name: server.name,
    flavor: server.flavorRef,
    imageId: server.imageRef === '' ? undefined : server.imageRef,
    zone: server.availability_zone ?? world.zones[0]!,
    userData: Buffer.from(server.user_data ?? '', 'base64').toString(),
    configDrive: server.config_drive ?? false,
    securityGroups: (server.security_groups ?? []).map((group) => group.name),
    created: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    metadata: { ...server.metadata },
    status: 'BUILD',
    task: 'scheduling',
    pollsLeft: world.settings.polls.server,
    fault: undefined,
    volumes: devices
      .filter(({ source_type }) => source_type === 'volume')
      .map((each) => ({ id: each.uuid!, isDeletedToo: each.delete_on_termination })),
  }
}
