import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { everyThing } from '../pages.ts'
import type { IbmSettings } from '../settings.ts'

const address = z.object({
  id: z.string().min(1),
  crn: z.string().min(1),
  name: z.string(),
  address: z.string(),
  /** available, deleting, failed, pending, or what will be added. */
  status: z.string(),
  created_at: z.string(),
  zone: z.object({ name: z.string() }),
  target: z.object({ id: z.string() }).optional(),
})

/** A floating IP as VPC tells of it: https://cloud.ibm.com/apidocs/vpc#get-floating-ip */
export type Address = z.infer<typeof address>

type Quick = Pick<Context, 'signal'>

/** All floating IPs of a region, ours or not; of them alone no listing goes by name. */
export async function everyAddress(settings: IbmSettings, region: string, ctx: Quick): Promise<Address[]> {
  const listing = { what: 'listing floating IPs', region, path: '/floating_ips', key: 'floating_ips' }
  return await everyThing(settings, { ...listing, thing: address }, ctx)
}

/** Undefined when there is none with the id. */
export async function addressById(
  { call }: IbmSettings,
  region: string,
  id: string,
  ctx: Quick,
): Promise<Address | undefined> {
  const what = `looking at the floating IP ${id}`
  return await call({ what, service: 'vpc', region, path: pathOf(id), answer: address, accept: [404] }, ctx)
}

/** Asks once: a lost answer has to be looked for by the name. */
export async function reserveAddress(
  { call }: IbmSettings,
  region: string,
  body: object,
  ctx: Quick,
): Promise<Address> {
  const request = {
    what: 'reserving a floating IP',
    service: 'vpc',
    region,
    method: 'POST',
    once: true,
  } as const
  return (await call({ ...request, path: '/floating_ips', body, answer: address }, ctx))!
}

/** Binds a floating IP to a network interface, whatever it was bound to. */
export async function bindAddress(
  { call }: IbmSettings,
  region: string,
  id: string,
  interfaceId: string,
  ctx: Quick,
): Promise<void> {
  const what = `binding the floating IP ${id}`
  const body = { target: { id: interfaceId } }
  await call({ what, service: 'vpc', region, method: 'PATCH', path: pathOf(id), body, answer: address }, ctx)
}

/** Gives it back; "not there" is success. */
export async function releaseAddress(
  { call }: IbmSettings,
  region: string,
  id: string,
  ctx: Quick,
): Promise<void> {
  const what = `giving back the floating IP ${id}`
  const request = { what, service: 'vpc', region, method: 'DELETE', path: pathOf(id), accept: [404] } as const
  await call({ ...request, answer: z.unknown() }, ctx)
}

function pathOf(id: string): string {
  return `/floating_ips/${encodeURIComponent(id)}`
}
