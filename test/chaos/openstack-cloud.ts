import { randomBytes } from 'node:crypto'
import type { OpenstackFixture } from '#test/clouds/openstack-fixture.ts'
import type { Cloud as Double } from '#test/servers/openstack-double/double.ts'
import type { Service, Seen } from '#test/servers/openstack-double/request.ts'
import { identityIn } from './cloud-disk.ts'
import { partsOfPoint } from './cloud-points.ts'
import type { WorldCloud } from './cloud-worlds.ts'

/** A cloud with a Keystone and a Glance of its own, for one world after the other. */
export interface OpenstackPlace {
  readonly double: Double
  readonly fixture: OpenstackFixture
}

export interface GlanceImage {
  id: string
  status: string
  visibility: string
  os_hidden: boolean
  factory_sha256: string
  factory_ready?: string
}

export interface OpenstackCloud extends WorldCloud {
  /** All but the base image. */
  images(): Promise<GlanceImage[]>
  content(id: string): Promise<Buffer>
  members(id: string): Promise<string[]>
}

/** Another project, with which images are shared. */
export const otherProject = 'c'.repeat(32)
const identifier = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** A project that is empty but for the base image. */
export async function openstackCloud({ double, fixture }: OpenstackPlace): Promise<OpenstackCloud> {
  const { glance, content, baseImage } = fixture
  const { world } = double
  const images = async () => {
    const lists = ['false', 'true'].map(
      async (hidden) =>
        (await glance(`/images?os_hidden=${hidden}&limit=100`)) as unknown as { images: GlanceImage[] },
    )
    return (await Promise.all(lists)).flatMap((each) => each.images).filter(({ id }) => id !== baseImage)
  }
  double.reset()
  for (const { id } of await images()) await glance(`/images/${id}`, { method: 'DELETE' })
  return {
    account: {
      kind: 'openstack',
      // Glance gives no id of an image twice, and owner and content make ours.
      owner: `t-${randomBytes(4).toString('hex')}`,
      format: 'raw',
      configuration: fixture.configure({
        floatingNetwork: 'public',
        visibility: 'shared',
        shareWith: [otherProject],
      }),
    },
    regions: [fixture.configure().region],
    images,
    content,
    async members(id) {
      const { members } = (await glance(`/images/${id}/members`)) as { members: { member_id: string }[] }
      return members.map(({ member_id: member }) => member)
    },
    changes: () => double.requests.filter(changesSomething).map(nameOf),
    forgetRequests: () => double.forgetRequests(),
    strike(request, outage) {
      const { name, number } = partsOfPoint(request)
      const [method = '', service, path = ''] = name.split(' ')
      const form = new RegExp(`^${path.replaceAll('ID', '[^/]+')}$`)
      const fault = { service: service as Service, method, path: form }
      return double.inject({ ...fault, after: number - 1, times: 1, effect: outage })
    },
    async answerOf(id) {
      const server = world.servers.get(id)
      if (server?.status !== 'ACTIVE') return undefined
      const image = server.imageId ?? world.volumes.get(server.volumes[0]!.id)!.imageId!
      return image === baseImage ? '' : identityIn(await content(image), 'raw')
    },
    living: () => Promise.resolve([...world.servers.values()].map(({ name }) => leaseOf(name))),
    started: () => Promise.resolve(world.serversMade.map(leaseOf)),
    others() {
      const volumes = [...world.volumes.values()].map(({ name }) => `volume ${name}`)
      const addresses = [...world.addresses.values()].map(({ address }) => `address ${address}`)
      const broken = double.requests.filter(({ status }) => status === 500).map(nameOf)
      return Promise.resolve([...volumes, ...addresses, ...broken])
    },
    [Symbol.asyncDispose]: () => Promise.resolve(double.reset()),
  }
}

/** As in `POST compute /servers` or `PUT image /images/ID/file`. */
function nameOf({ method, service, path }: Seen): string {
  return `${method} ${service} ${path.replaceAll(identifier, 'ID')}`
}

/** A token is nothing that stays. */
function changesSomething({ method, service }: Seen): boolean {
  return method !== 'GET' && method !== 'HEAD' && service !== 'identity'
}

/** What `resourceName` of the adapter makes of a lease. */
function leaseOf(name: string): string {
  return name.replace(/^factory-/, '')
}
