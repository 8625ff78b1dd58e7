import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { isNotFound } from '../failures.ts'
import { type Marks, descriptionOf, isOf, marksIn } from '../marks.ts'
import { everyItem } from '../pages.ts'
import type { OpenstackSettings } from '../settings.ts'

/** https://docs.openstack.org/api-ref/network/v2/#floating-ips-floatingips */
export const neutronAddress = z.object({
  id: z.string(),
  floating_ip_address: z.string(),
  description: z.string().nullish(),
  port_id: z.string().nullish(),
  fixed_ip_address: z.string().nullish(),
  status: z.string().nullish(),
})

/** A floating IP of ours as Neutron tells of it. */
export interface Address {
  id: string
  address: string
  portId: string | undefined
  /** The address of the machine that it leads to. */
  leadsTo: string | undefined
  state: string
  marks: Partial<Marks>
}

/** The floating IPs of leases of an owner, or of one lease; Neutron finds descriptions only when they are given whole. */
export async function addressesOf(
  settings: OpenstackSettings,
  which: { owner: string; lease?: string },
  ctx: Context,
): Promise<Address[]> {
  const { region } = settings.configuration
  const what = 'looking at floating IPs'
  const listing = {
    service: 'network',
    region,
    what,
    path: '/floatingips',
    collection: 'floatingips',
  } as const
  const found = await everyItem(settings, { ...listing, item: neutronAddress }, ctx)
  return found.map(addressFrom).filter(({ marks }) => isOf(marks, which))
}

/** Gives a floating IP back; "not there" is success. */
export async function deleteAddress(
  { session, configuration: { region } }: OpenstackSettings,
  { id, address }: Address,
  ctx: Context,
): Promise<void> {
  const what = `giving the floating IP ${address} back`
  try {
    await session.send(
      { service: 'network', region, what, method: 'DELETE', path: `/floatingips/${id}` },
      ctx,
    )
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

/** Writes other marks onto a floating IP. */
export async function markAddress(
  { session, configuration: { region } }: OpenstackSettings,
  { id, address }: Address,
  marks: Marks,
  ctx: Context,
): Promise<void> {
  const what = `marking the floating IP ${address}`
  const json = { floatingip: { description: descriptionOf(marks) } }
  await session.send(
    { service: 'network', region, what, method: 'PUT', path: `/floatingips/${id}`, json },
    ctx,
  )
}

export function addressFrom(found: z.infer<typeof neutronAddress>): Address {
  return {
    id: found.id,
    address: found.floating_ip_address,
    portId: found.port_id ?? undefined,
    leadsTo: found.fixed_ip_address ?? undefined,
    state: found.status ?? 'unknown',
    marks: marksIn(found.description),
  }
}
