import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { architectureOfProfile } from './catalog.ts'
import { needImage } from './images.ts'
import {
  type Operation,
  bodyOf,
  nameRule,
  needResourceGroup,
  needUnique,
  resourceGroup,
} from './operation.ts'
import { page } from './pages.ts'
import { Refused } from './refusal.ts'
import { tagAtOnce } from './tagging.ts'
import { type InstanceRecord, type World, newThing } from './world.ts'

const named = z.strictObject({ name: z.string() })
const identified = z.strictObject({ id: z.string() })

const volume = z.strictObject({
  name: nameRule.optional(),
  delete_volume_on_instance_delete: z.boolean().default(false),
  volume: z.strictObject({
    name: nameRule,
    capacity: z.int().min(10).max(16_000),
    profile: named,
    user_tags: z.array(z.string().max(128)).default([]),
  }),
})

const prototype = z.strictObject({
  name: nameRule,
  image: identified,
  profile: named,
  zone: named,
  vpc: identified,
  resource_group: resourceGroup,
  primary_network_interface: z.strictObject({
    name: nameRule.optional(),
    subnet: identified,
    security_groups: z.array(identified).min(1).optional(),
  }),
  boot_volume_attachment: volume,
  volume_attachments: z.array(volume).default([]),
  metadata_service: z.strictObject({ enabled: z.boolean() }),
  availability_policy: z.strictObject({ host_failure: z.enum(['restart', 'stop']) }).optional(),
  user_data: z.string().max(64 * 1024),
})

type Prototype = z.infer<typeof prototype>

/** https://cloud.ibm.com/apidocs/vpc#create-instance */
const create: Operation = {
  action: 'CreateInstance',
  method: 'POST',
  path: /^\/instances$/,
  run(call, world) {
    const { region } = call
    const request = bodyOf(prototype, call)
    check(world, region, request)
    const thing = newThing(world, 'instance', region, request.name, request.resource_group?.id)
    const { zone, profile, image, primary_network_interface: nic } = request
    const isFull = world.settings.noCapacity.some(
      (full) => (full.zone ?? zone.name) === zone.name && (full.profile ?? profile.name) === profile.name,
    )
    const instance: InstanceRecord = {
      ...thing,
      polls: world.settings.polls.instance,
      status: 'pending',
      reasons: [],
      becomes: isFull ? 'failed' : 'running',
      interfaceId: `02d7-${randomUUID()}`,
      privateAddress: `10.0.0.${world.instances.size + 4}`,
      request: {
        zone: zone.name,
        profile: profile.name,
        image: image.id,
        subnet: nic.subnet.id,
        securityGroups: (nic.security_groups ?? []).map(({ id }) => id),
        userData: request.user_data,
      },
    }
    world.instances.set(instance.id, instance)
    world.machinesMade.push(instance.name)
    for (const each of [request.boot_volume_attachment, ...request.volume_attachments])
      makeVolume(world, instance, each)
    return { status: 201, body: shown(instance, world) }
  },
}

const list: Operation = {
  action: 'ListInstances',
  method: 'GET',
  path: /^\/instances$/,
  query: ['limit', 'start', 'name', 'resource_group.id', 'vpc.id'],
  run(call, world) {
    const wanted = [...world.instances.values()].filter(
      ({ region, name }) => region === call.region && (call.query.get('name') ?? name) === name,
    )
    return page(
      'instances',
      '/instances',
      wanted.map((each) => shown(each, world)),
      call,
      world,
    )
  },
}

const get: Operation = {
  action: 'GetInstance',
  method: 'GET',
  path: /^\/instances\/([^/]+)$/,
  run({ words, region }, world) {
    oneStep(world, needInstance(world, region, words[0]!))
    return { status: 200, body: shown(needInstance(world, region, words[0]!), world) }
  },
}

/** One that is being made cannot be deleted. */
const remove: Operation = {
  action: 'DeleteInstance',
  method: 'DELETE',
  path: /^\/instances\/([^/]+)$/,
  run({ words, region }, world) {
    const instance = needInstance(world, region, words[0]!)
    if (instance.deleting !== undefined || instance.status === 'pending')
      throw new Refused(409, 'instance_action_conflict', `The instance is ${instance.status}.`)
    instance.deleting = world.settings.polls.deletion
    return { status: 204 }
  },
}

export const instanceOperations = [create, list, get, remove]

export function needInstance(world: World, region: string, id: string): InstanceRecord {
  const instance = world.instances.get(id)
  if (instance?.region === region) return instance
  throw new Refused(404, 'instance_not_found', `Instance with ID (${id}) not found.`)
}

function check(world: World, region: string, request: Prototype): void {
  const { settings, instances, volumes } = world
  needUnique(instances.values(), request.name, region)
  const image = needImage(world, region, request.image.id)
  if (image.status !== 'available' && image.status !== 'deprecated')
    throw new Refused(400, 'bad_field', `the image is ${image.status}`)
  const system = settings.operatingSystems.find(({ name }) => name === image.operatingSystem)
  if (architectureOfProfile(request.profile.name) !== system?.architecture)
    throw new Refused(400, 'bad_field', 'profile and image are for different architectures')
  const nic = request.primary_network_interface
  const subnet = world.subnets.get(nic.subnet.id)
  if (subnet?.region !== region || subnet.zone !== request.zone.name || subnet.vpc !== request.vpc.id)
    throw new Refused(400, 'bad_field', 'the subnet is not in that zone and VPC')
  for (const { id } of nic.security_groups ?? []) {
    if (world.securityGroups.get(id)?.vpc !== subnet.vpc)
      throw new Refused(400, 'bad_field', `the security group ${id} is not in that VPC`)
  }
  needResourceGroup(request.resource_group?.id, world)
  const boot = request.boot_volume_attachment.volume
  if (boot.capacity < (image.minimumGb ?? 10) || boot.capacity > 250)
    throw new Refused(400, 'bad_field', 'the boot volume is smaller than the image or larger than 250 GB')
  for (const each of [request.boot_volume_attachment, ...request.volume_attachments])
    needUnique(volumes.values(), each.volume.name, region)
  const mine = [...instances.values()].filter((each) => each.region === region)
  if (mine.length >= settings.quotas.instances)
    throw new Refused(400, 'over_quota', 'The account has reached its quota of vCPUs.')
}

function makeVolume(world: World, instance: InstanceRecord, request: z.infer<typeof volume>): void {
  const { name, capacity, profile, user_tags: tags } = request.volume
  const thing = newThing(world, 'volume', instance.region, name, instance.resource_group)
  const attachment = {
    id: `02d7-${randomUUID()}`,
    name: request.name ?? 'unnamed',
    instance: instance.id,
    deletesAlong: request.delete_volume_on_instance_delete,
    device: `02d7-${randomUUID()}`,
  }
  const place = { zone: instance.request.zone, capacity, profile: profile.name }
  world.volumes.set(thing.id, { ...thing, ...place, polls: 0, status: 'available', attachment })
  tagAtOnce(world, thing.crn, tags)
}

/** Each look at a machine brings it nearer to its end. */
function oneStep(world: World, instance: InstanceRecord): void {
  if (instance.deleting !== undefined) {
    if (instance.deleting <= 0) vanish(world, instance)
    instance.deleting -= 1
    return
  }
  if (instance.status !== 'pending' && instance.status !== 'starting') return
  instance.polls -= 1
  if (instance.polls > 0) instance.status = 'starting'
  else if (instance.becomes === 'running') instance.status = 'running'
  else {
    instance.status = 'failed'
    const message = "Can't start instance because resource capacity is unavailable."
    instance.reasons = [{ code: 'cannot_start_capacity', message }]
  }
}

/** Volumes that were made with it go with it, its addresses stay. */
function vanish(world: World, instance: InstanceRecord): void {
  world.instances.delete(instance.id)
  world.tags.delete(instance.crn)
  for (const each of world.volumes.values()) {
    if (each.attachment?.instance !== instance.id) continue
    if (each.attachment.deletesAlong) each.deleting = world.settings.polls.deletion
    each.attachment = undefined
  }
  for (const address of world.addresses.values())
    if (address.target === instance.interfaceId) address.target = undefined
}

function shown(instance: InstanceRecord, world: World): object {
  const { id, crn, href, name, created_at, status, reasons, request } = instance
  const isUp = status === 'running' || status === 'stopped' || status === 'stopping'
  const attachments = [...world.volumes.values()].flatMap((volume_) => {
    const { attachment } = volume_
    if (attachment?.instance !== id) return []
    const volumeReference = { id: volume_.id, crn: volume_.crn, name: volume_.name }
    const device = isUp ? { device: { id: attachment.device } } : {}
    return [{ id: attachment.id, name: attachment.name, volume: volumeReference, ...device }]
  })
  return {
    id,
    crn,
    href,
    name,
    created_at,
    resource_group: { id: instance.resource_group },
    status: instance.deleting === undefined ? status : 'deleting',
    status_reasons: reasons,
    lifecycle_state: 'stable',
    profile: { name: request.profile },
    zone: { name: request.zone },
    image: { id: request.image },
    primary_network_interface: {
      id: instance.interfaceId,
      name: 'eth0',
      primary_ip: { address: isUp ? instance.privateAddress : '0.0.0.0' },
      subnet: { id: request.subnet },
    },
    boot_volume_attachment: attachments[0],
    volume_attachments: attachments,
  }
}
