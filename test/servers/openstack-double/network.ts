import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { type Answer, type Call, Refusal } from './request.ts'
import { bodyOf, needQuery, notFound, page, uuid } from './shapes.ts'
import type { AddressRecord, World } from './world.ts'

const description = z.string().max(255)
const createRequest = z.strictObject({
  floatingip: z.strictObject({
    floating_network_id: uuid,
    port_id: uuid.optional(),
    description: description.optional(),
  }),
})
const updateRequest = z.strictObject({ floatingip: z.strictObject({ description }) })

/** What we call of Neutron. */
export async function network(call: Call, world: World): Promise<Answer> {
  const { method, path } = call
  const [, first, second] = path.split('/')
  const size = world.settings.pageSize
  if (method === 'GET' && path === '/networks') {
    needQuery(call, ['limit', 'marker', 'name', 'id', 'router:external'])
    return page(call, 'networks', world.networks, size, (each) => {
      const { id, name, isExternal, isShared } = each
      return {
        id,
        name,
        status: 'ACTIVE',
        admin_state_up: true,
        'router:external': isExternal,
        shared: isShared,
        subnets: [randomUUID()],
      }
    })
  }
  if (method === 'GET' && path === '/security-groups') {
    needQuery(call, ['limit', 'marker'])
    return page(call, 'security_groups', world.securityGroups, size, ({ id, name, ssh }) => {
      const rule = {
        direction: 'ingress',
        ethertype: 'IPv4',
        protocol: 'tcp',
        port_range_min: 22,
        port_range_max: 22,
        remote_ip_prefix: null,
        remote_group_id: null,
      }
      return {
        id,
        name,
        security_group_rules: ssh
          ? [rule]
          : [{ ...rule, protocol: null, port_range_min: null, port_range_max: null, remote_group_id: id }],
      }
    })
  }
  if (method === 'GET' && path === '/ports') {
    needQuery(call, ['limit', 'marker', 'device_id'])
    const wanted = call.query.get('device_id')
    const ports = [...world.ports.values()].filter(({ serverId }) => wanted === null || serverId === wanted)
    return page(call, 'ports', ports, size, ({ id, networkId, serverId, address }) => ({
      id,
      network_id: networkId,
      device_id: serverId,
      fixed_ips: [{ subnet_id: randomUUID(), ip_address: address }],
    }))
  }
  if (first === 'floatingips') return floatingIps(call, world, second)
  if (method === 'GET' && path === `/quotas/${call.projectId}/details.json`) {
    const used = own(call, world).length
    const floatingip = { limit: world.settings.quotas.floatingips, used, reserved: 0 }
    return { status: 200, json: { quota: { floatingip } } }
  }
  return notFound(`the double has no ${method} ${path}`, 'HTTPNotFound')
}

function floatingIps(call: Call, world: World, id: string | undefined): Answer {
  const { method } = call
  if (id === undefined && method === 'POST') return create(call, world)
  if (id === undefined && method === 'GET') {
    needQuery(call, ['limit', 'marker'])
    return page(call, 'floatingips', own(call, world), world.settings.pageSize, (each) =>
      view(pass(each), world),
    )
  }
  const found = own(call, world).find((each) => each.id === id)
  if (!found) return notFound(`Floating IP ${id} could not be found`, 'FloatingIPNotFound')
  if (method === 'PUT') found.description = bodyOf(call, updateRequest).floatingip.description
  if (method === 'DELETE') {
    world.addresses.delete(found.id)
    world.settings.freeAddresses += 1
    return { status: 204 }
  }
  return { status: 200, json: { floatingip: view(pass(found), world) } }
}

function create(call: Call, world: World): Answer {
  const { floatingip: asked } = bodyOf(call, createRequest)
  const external = world.networks.find(({ id }) => id === asked.floating_network_id)
  if (!external)
    return notFound(`Network ${asked.floating_network_id} could not be found.`, 'NetworkNotFound')
  if (!external.isExternal)
    throw new Refusal(
      400,
      `Bad floatingip request: Network ${external.id} is not a valid external network.`,
      'BadRequest',
    )
  const { port_id: portId = null } = asked
  if (portId !== null) {
    if (!world.ports.has(portId)) return notFound(`Port ${portId} could not be found.`, 'PortNotFound')
    const taken = [...world.addresses.values()].find((each) => each.portId === portId)
    if (taken)
      throw new Refusal(
        409,
        `Cannot associate floating IP with port ${portId}: it has ${taken.address}`,
        'FloatingIPPortAlreadyAssociated',
      )
  }
  if (own(call, world).length >= world.settings.quotas.floatingips) {
    throw new Refusal(409, "Quota exceeded for resources: ['floatingip'].", 'OverQuota')
  }
  if (world.settings.freeAddresses === 0) {
    throw new Refusal(
      409,
      `No more IP addresses available on network ${external.id}.`,
      'IpAddressGenerationFailure',
    )
  }
  world.settings.freeAddresses -= 1
  const record: AddressRecord = {
    id: randomUUID(),
    projectId: call.projectId,
    address: `203.0.113.${10 + world.addresses.size}`,
    networkId: external.id,
    description: asked.description ?? '',
    portId,
    status: 'DOWN',
    pollsLeft: world.settings.polls.address,
  }
  world.addresses.set(record.id, record)
  return { status: 201, json: { floatingip: view(record, world) } }
}

function own({ projectId }: Call, world: World): AddressRecord[] {
  return [...world.addresses.values()].filter((each) => each.projectId === projectId)
}

/** One look goes by. */
function pass(found: AddressRecord): AddressRecord {
  if (found.status === 'DOWN' && found.portId !== null) {
    if (found.pollsLeft > 0) found.pollsLeft -= 1
    else found.status = 'ACTIVE'
  }
  return found
}

function view(
  { id, projectId, address, networkId, description: words, portId, status }: AddressRecord,
  world: World,
): object {
  const port = portId === null ? undefined : world.ports.get(portId)
  return {
    id,
    project_id: projectId,
    floating_ip_address: address,
    floating_network_id: networkId,
    description: words,
    port_id: portId,
    fixed_ip_address: port?.address ?? null,
    status,
  }
}
