import { z } from 'zod'
import type { Lease } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { descriptionOf, leaseMarks } from '../marks.ts'
import { everyItem } from '../pages.ts'
import type { OpenstackSettings } from '../settings.ts'
import { until } from '../wait.ts'
import { type Address, addressFrom, addressesOf, deleteAddress, neutronAddress } from './addresses.ts'
import { lookLonger, makeOnce } from './make-once.ts'
import type { Machine } from './machines.ts'
import { externalNetwork, networkOrder } from './networks.ts'

const port = z.object({
  id: z.string(),
  network_id: z.string(),
  fixed_ips: z.array(z.object({ ip_address: z.string() })),
})
const attachLimitMs = 60_000

/**
 * The floating IP of a machine: its own of an earlier call, else a new one that is made with its marks and its port at
 * once. Returned when Neutron shows that it leads to the machine.
 */
export async function floatingAddress(
  settings: OpenstackSettings,
  machine: Machine,
  lease: Lease,
  ctx: Context,
): Promise<string> {
  const portId = await portOf(settings, machine, ctx)
  const found = await ownAddresses(settings, lease, ctx)
  const [own] = found.filter((each) => each.portId === portId)
  // One that led to a machine that is gone leads nowhere.
  for (const other of found) if (other !== own) await deleteAddress(settings, other, ctx)
  const { id } = own ?? (await makeAddress(settings, portId, lease, ctx))
  const attached = await until(`the floating IP of ${machine.id}`, attachLimitMs, ctx, async () => {
    const now = (await ownAddresses(settings, lease, ctx)).find((each) => each.id === id)
    if (!now || now.state === 'ERROR') throw notAttached(machine, now)
    const isThere = now.portId === portId && machine.addresses.some(({ address }) => address === now.leadsTo)
    return isThere ? now : undefined
  })
  return attached.address
}

async function ownAddresses(settings: OpenstackSettings, lease: Lease, ctx: Context): Promise<Address[]> {
  return await addressesOf(settings, { owner: lease.owner, lease: lease.id }, ctx)
}

async function makeAddress(
  settings: OpenstackSettings,
  portId: string,
  lease: Lease,
  ctx: Context,
): Promise<Address> {
  const { session, configuration } = settings
  const { region, floatingNetwork = '' } = configuration
  const { id: floating_network_id } = await externalNetwork(settings, floatingNetwork, ctx)
  const description = descriptionOf(leaseMarks(lease))
  const json = { floatingip: { floating_network_id, port_id: portId, description } }
  const what = `getting a floating IP from ${floatingNetwork}`
  return await makeOnce(
    async () => {
      const request = {
        service: 'network',
        region,
        what,
        method: 'POST',
        path: '/floatingips',
        json,
      } as const
      const made = await session.json(request, z.object({ floatingip: neutronAddress }), ctx)
      return addressFrom(made.floatingip)
    },
    () =>
      lookLonger(
        async () => (await ownAddresses(settings, lease, ctx)).find((each) => each.portId === portId),
        ctx,
      ),
    ctx,
  )
}

/** The port that SSH is reached at: the one in the first network. */
async function portOf(settings: OpenstackSettings, machine: Machine, ctx: Context): Promise<string> {
  const { region } = settings.configuration
  const what = `looking at the ports of ${machine.id}`
  const listing = { service: 'network', region, what, path: '/ports', collection: 'ports' } as const
  const ports = await everyItem(settings, { ...listing, query: { device_id: machine.id }, item: port }, ctx)
  const first = reachedAt(await networkOrder(settings, ctx), machine)
  const found = ports.find(({ fixed_ips }) => fixed_ips.some(({ ip_address }) => ip_address === first))
  if (found) return found.id
  throw notAttached(machine, undefined)
}

/** The machine's own address in the first of these networks that it has one in; IPv4 before IPv6. */
export function reachedAt(networks: readonly string[], { addresses }: Machine): string | undefined {
  const place = ({ network }: Machine['addresses'][number]) => {
    const index = networks.indexOf(network)
    return index === -1 ? networks.length : index
  }
  return addresses.toSorted((a, b) => place(a) - place(b) || a.version - b.version)[0]?.address
}

function notAttached({ id }: Machine, address: Address | undefined): FactoryError {
  const what = address
    ? `the floating IP ${address.address} is ${address.state}`
    : 'it has no port with an address'
  return new FactoryError({
    code: 'openstack-no-address',
    message: `no floating IP leads to the server ${id}: ${what}`,
    hint: 'Is there a router between `networks` and `floatingNetwork`? openstack router list',
    class: 'user',
  })
}
