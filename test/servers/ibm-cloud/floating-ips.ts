import { z } from 'zod'
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
import { type AddressRecord, type World, newThing } from './world.ts'

const target = z.strictObject({ id: z.string() })
const prototype = z.strictObject({ name: nameRule, resource_group: resourceGroup, target })

/** https://cloud.ibm.com/apidocs/vpc#create-floating-ip */
const create: Operation = {
  action: 'CreateFloatingIp',
  method: 'POST',
  path: /^\/floating_ips$/,
  run(call, world) {
    const request = bodyOf(prototype, call)
    needUnique(world.addresses.values(), request.name, call.region)
    needResourceGroup(request.resource_group?.id, world)
    const instance = needInterface(world, call.region, request.target.id)
    const inZone = [...world.addresses.values()].filter(({ zone }) => zone === instance.request.zone)
    if (inZone.length >= world.settings.quotas.addresses)
      throw new Refused(400, 'floating_ip_quota_exceeded', 'The zone has reached its quota of floating IPs.')
    const address: AddressRecord = {
      ...newThing(world, 'floating-ip', call.region, request.name, request.resource_group?.id),
      polls: world.settings.polls.address,
      address: `192.0.2.${world.addresses.size + 1}`,
      zone: instance.request.zone,
      target: instance.interfaceId,
    }
    world.addresses.set(address.id, address)
    return { status: 201, body: shown(address) }
  },
}

const list: Operation = {
  action: 'ListFloatingIps',
  method: 'GET',
  path: /^\/floating_ips$/,
  query: ['limit', 'start', 'sort', 'resource_group.id', 'target.id', 'target.name'],
  run(call, world) {
    if (call.query.get('start') === null)
      for (const each of world.addresses.values()) if (each.deleting !== undefined) oneStep(world, each)
    const wanted = [...world.addresses.values()].filter(({ region }) => region === call.region)
    return page('floating_ips', '/floating_ips', wanted.map(shown), call, world)
  },
}

const get: Operation = {
  action: 'GetFloatingIp',
  method: 'GET',
  path: /^\/floating_ips\/([^/]+)$/,
  run({ words, region }, world) {
    oneStep(world, needAddress(world, region, words[0]!))
    return { status: 200, body: shown(needAddress(world, region, words[0]!)) }
  },
}

const update: Operation = {
  action: 'UpdateFloatingIp',
  method: 'PATCH',
  path: /^\/floating_ips\/([^/]+)$/,
  run(call, world) {
    const address = needAddress(world, call.region, call.words[0]!)
    const { target: wanted } = bodyOf(z.strictObject({ target }), call)
    const instance = needInterface(world, call.region, wanted.id)
    if (instance.request.zone !== address.zone)
      throw new Refused(400, 'bad_field', 'the floating IP is in another zone')
    address.target = instance.interfaceId
    return { status: 200, body: shown(address) }
  },
}

const remove: Operation = {
  action: 'DeleteFloatingIp',
  method: 'DELETE',
  path: /^\/floating_ips\/([^/]+)$/,
  run({ words, region }, world) {
    const address = needAddress(world, region, words[0]!)
    if (address.deleting !== undefined) throw new Refused(409, 'floating_ip_in_use', 'It is being deleted.')
    address.deleting = world.settings.polls.deletion
    return { status: 204 }
  },
}

export const addressOperations = [create, list, get, update, remove]

function needAddress(world: World, region: string, id: string): AddressRecord {
  const address = world.addresses.get(id)
  if (address?.region === region) return address
  throw new Refused(404, 'floating_ip_not_found', `Floating IP ${id} not found.`)
}

/** A network interface takes one floating IP. */
function needInterface(world: World, region: string, id: string) {
  const instance = [...world.instances.values()].find(
    (each) => each.region === region && each.interfaceId === id,
  )
  if (!instance) throw new Refused(404, 'network_interface_not_found', `Network interface ${id} not found.`)
  if ([...world.addresses.values()].some((each) => each.target === id))
    throw new Refused(409, 'floating_ip_in_use', 'The network interface has a floating IP already.')
  return instance
}

function oneStep(world: World, address: AddressRecord): void {
  address.polls -= 1
  if (address.deleting === undefined) return
  if (address.deleting <= 0) {
    world.addresses.delete(address.id)
    world.tags.delete(address.crn)
  }
  address.deleting -= 1
}

function shown({
  id,
  crn,
  href,
  name,
  created_at,
  address,
  zone,
  target: bound,
  polls,
  deleting,
  hasFailed = false,
}: AddressRecord): object {
  const status = hasFailed ? 'failed' : polls > 0 ? 'pending' : 'available'
  return {
    id,
    crn,
    href,
    name,
    created_at,
    address,
    zone: { name: zone },
    status: deleting === undefined ? status : 'deleting',
    ...(bound === undefined ? {} : { target: { id: bound, resource_type: 'network_interface' } }),
  }
}
