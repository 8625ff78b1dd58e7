import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { type Answer, type Call, Refusal } from './request.ts'
import { readServerRequest, recordOf } from './server-request.ts'
import { bodyOf, metadata, needQuery, notFound, page } from './shapes.ts'
import type { PortRecord, ServerRecord, World } from './world.ts'

export async function createServer(call: Call, world: World): Promise<Answer> {
  const server = await readServerRequest(call, world)
  const id = randomUUID()
  const record = recordOf(server, call.projectId, id, world)
  world.servers.set(id, record)
  world.serversMade.push(record.name)
  for (const { id: volumeId } of record.volumes) {
    const volume = world.volumes.get(volumeId)!
    volume.status = 'in-use'
    volume.serverId = id
  }
  if (typeof server.networks !== 'string') {
    for (const [index, { uuid: networkId }] of server.networks.entries())
      makePort(world, id, networkId, index)
  } else if (server.networks === 'auto') makePort(world, id, world.networks[0]!.id, 0)
  return {
    status: 202,
    json: {
      server: { id, links: [], 'OS-DCF:diskConfig': 'MANUAL', adminPass: 'secret', security_groups: [] },
    },
  }
}

export function listServers(call: Call, world: World): Answer {
  needQuery(call, ['limit', 'marker', 'name', 'image'])
  const image = call.query.get('image')
  // Nova takes it for a regular expression.
  const pattern = new RegExp(call.query.get('name') ?? '')
  const own = [...world.servers.values()].filter(
    ({ projectId, name, status, imageId }) =>
      projectId === call.projectId &&
      pattern.test(name) &&
      (image === null || imageId === image) &&
      status !== 'SOFT_DELETED',
  )
  return page(call, 'servers', own, world.settings.pageSize, (server) =>
    view(pass(world, server) ?? server, world),
  )
}

export function showServer(call: Call, world: World, id: string): Answer {
  const server = pass(world, needServer(call, world, id))
  if (!server) return notFound(`Instance ${id} could not be found.`)
  return { status: 200, json: { server: view(server, world) } }
}

export function deleteServer(call: Call, world: World, id: string): Answer {
  const server = needServer(call, world, id)
  // One that never ran is removed at once all the same.
  if (world.settings.isKept && (server.status === 'ACTIVE' || server.status === 'SHUTOFF')) {
    server.status = 'SOFT_DELETED'
    return { status: 204 }
  }
  return begunToDelete(world, server)
}

function begunToDelete(world: World, server: ServerRecord): Answer {
  if (server.task !== 'deleting') {
    server.task = 'deleting'
    server.pollsLeft = world.settings.polls.server
  }
  return { status: 204 }
}

export function setMetadata(call: Call, world: World, id: string): Answer {
  const server = needServer(call, world, id)
  const isSettled = server.task === null && (server.status === 'ACTIVE' || server.status === 'SHUTOFF')
  if (!isSettled)
    throw new Refusal(409, `Cannot 'update_metadata' instance ${id} while it is in vm_state ${server.status}`)
  Object.assign(server.metadata, bodyOf(call, z.strictObject({ metadata })).metadata)
  return { status: 200, json: { metadata: server.metadata } }
}

export function act(call: Call, world: World, id: string): Answer {
  const isForced = Object.hasOwn((call.json ?? {}) as object, 'forceDelete')
  return isForced ? forceDelete(call, world, id) : consoleOutput(call, world, id)
}

function forceDelete(call: Call, world: World, id: string): Answer {
  bodyOf(call, z.strictObject({ forceDelete: z.null() }))
  return { ...begunToDelete(world, needServer(call, world, id)), status: 202 }
}

function consoleOutput(call: Call, world: World, id: string): Answer {
  const { length } = bodyOf(
    call,
    z.strictObject({ 'os-getConsoleOutput': z.strictObject({ length: z.int().min(1) }) }),
  )['os-getConsoleOutput']
  needServer(call, world, id)
  return { status: 200, json: { output: world.settings.console.split('\n').slice(-length).join('\n') } }
}

function needServer({ projectId }: Call, world: World, id: string): ServerRecord {
  const server = world.servers.get(id)
  return server?.projectId === projectId ? server : notFound(`Instance ${id} could not be found.`)
}

/** One look goes by; undefined when the server is gone by now. */
function pass(world: World, server: ServerRecord): ServerRecord | undefined {
  if (server.task === null) return server
  if (server.pollsLeft > 0) {
    server.pollsLeft -= 1
    return server
  }
  if (server.task === 'deleting') {
    remove(world, server)
    return undefined
  }
  server.task = null
  const flavor = world.flavors.find(({ id }) => id === server.flavor)!.name
  const isFull = world.settings.noHost.some(
    (place) => (place.flavor ?? flavor) === flavor && (place.zone ?? server.zone) === server.zone,
  )
  server.fault = isFull
    ? 'No valid host was found. There are not enough hosts available.'
    : world.settings.serverFault
  server.status = server.fault === undefined ? 'ACTIVE' : 'ERROR'
  return server
}

function remove(world: World, server: ServerRecord): void {
  world.servers.delete(server.id)
  for (const { id, isDeletedToo } of server.volumes) {
    const volume = world.volumes.get(id)
    if (!volume) continue
    if (isDeletedToo) world.volumes.delete(id)
    else Object.assign(volume, { status: 'available', serverId: undefined })
  }
  for (const port of [...world.ports.values()].filter(({ serverId }) => serverId === server.id)) {
    world.ports.delete(port.id)
    for (const address of world.addresses.values()) {
      if (address.portId === port.id) Object.assign(address, { portId: null, status: 'DOWN' })
    }
  }
}

function makePort(world: World, serverId: string, networkId: string, index: number): void {
  const id = randomUUID()
  world.ports.set(id, { id, networkId, serverId, address: `10.${index}.0.${world.ports.size + 4}` })
}

function view(server: ServerRecord, world: World): object {
  const flavor = world.flavors.find(({ id }) => id === server.flavor)!
  const ports =
    server.status === 'BUILD'
      ? []
      : [...world.ports.values()].filter(({ serverId }) => serverId === server.id)
  const nameOf = ({ networkId }: PortRecord) => world.networks.find(({ id }) => id === networkId)!.name
  const addresses: Record<string, object[]> = {}
  // Nova promises no order.
  for (const port of ports.toSorted((a, b) => nameOf(a).localeCompare(nameOf(b)))) {
    const network = nameOf(port)
    const list = (addresses[network] ??= [])
    list.push({ addr: port.address, version: 4, 'OS-EXT-IPS:type': 'fixed' })
    const floating = [...world.addresses.values()].find(({ portId }) => portId === port.id)
    if (floating) list.push({ addr: floating.address, version: 4, 'OS-EXT-IPS:type': 'floating' })
  }
  return {
    id: server.id,
    name: server.name,
    status: server.status,
    tenant_id: server.projectId,
    created: server.created,
    metadata: server.metadata,
    addresses,
    image: server.imageId === undefined ? '' : { id: server.imageId },
    flavor: {
      original_name: flavor.name,
      vcpus: flavor.vcpus,
      ram: flavor.ramMib,
      disk: flavor.diskGib,
      ephemeral: 0,
      swap: 0,
    },
    config_drive: server.configDrive ? 'True' : '',
    'OS-EXT-AZ:availability_zone': server.zone,
    'OS-EXT-STS:task_state': server.task,
    'os-extended-volumes:volumes_attached': server.volumes.map(({ id, isDeletedToo }) => ({
      id,
      delete_on_termination: isDeletedToo,
    })),
    ...(server.fault === undefined
      ? {}
      : { fault: { code: 500, message: server.fault, created: server.created } }),
  }
}

/** The machine powers itself off, as after `poweroff` in it. */
export function powerOff(world: World, id: string): void {
  const server = world.servers.get(id)
  if (server?.status !== 'ACTIVE') throw new Refusal(409, `${id} does not run`)
  server.status = 'SHUTOFF'
}
