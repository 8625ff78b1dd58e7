import { act, createServer, deleteServer, listServers, setMetadata, showServer } from './servers.ts'
import { type Answer, type Call, Refusal } from './request.ts'
import { needQuery, needVersion, notFound, page } from './shapes.ts'
import type { World } from './world.ts'

/** What we call of Nova. */
export async function compute(call: Call, world: World): Promise<Answer> {
  needVersion(call, 'compute', 1, 96, 2)
  const { method, path } = call
  const [, first, second, third] = path.split('/')
  if (first === 'servers') {
    if (method === 'POST' && second === undefined) return await createServer(call, world)
    if (method === 'GET' && second === 'detail') return listServers(call, world)
    if (method === 'GET' && second && !third) return showServer(call, world, second)
    if (method === 'DELETE' && second && !third) return deleteServer(call, world, second)
    if (method === 'POST' && second && third === 'metadata') return setMetadata(call, world, second)
    if (method === 'POST' && second && third === 'action') return act(call, world, second)
  }
  if (method === 'GET' && path === '/flavors/detail') {
    needQuery(call, ['limit', 'marker'])
    return page(call, 'flavors', world.flavors, world.settings.pageSize, (flavor) => {
      const { id, name, vcpus, ramMib: ram, diskGib: disk } = flavor
      return {
        id,
        name,
        vcpus,
        ram,
        disk,
        'OS-FLV-EXT-DATA:ephemeral': 0,
        'os-flavor-access:is_public': true,
      }
    })
  }
  if (method === 'GET' && path === '/os-availability-zone') {
    const zones = world.zones.map((zoneName) => ({ zoneName, zoneState: { available: true }, hosts: null }))
    return { status: 200, json: { availabilityZoneInfo: zones } }
  }
  if (method === 'GET' && path === '/limits')
    return { status: 200, json: { limits: { rate: [], absolute: limits(call, world) } } }
  if (!['servers', 'flavors', 'limits', 'os-availability-zone'].includes(first ?? ''))
    notFound(`the double has no ${path}`)
  throw new Refusal(405, `the double has no ${method} ${path}`)
}

function limits({ projectId }: Call, world: World): object {
  const own = [...world.servers.values()].filter((server) => server.projectId === projectId)
  const flavors = own.map(({ flavor }) => world.flavors.find(({ id }) => id === flavor)!)
  const { instances, cores, ramMib } = world.settings.quotas
  return {
    maxTotalInstances: instances,
    totalInstancesUsed: own.length,
    maxTotalCores: cores,
    totalCoresUsed: flavors.reduce((sum, { vcpus }) => sum + vcpus, 0),
    maxTotalRAMSize: ramMib,
    totalRAMUsed: flavors.reduce((sum, { ramMib: ram }) => sum + ram, 0),
  }
}
