import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { everyThing } from '../pages.ts'
import type { IbmSettings } from '../settings.ts'

const attachment = z.object({
  name: z.string().optional(),
  device: z.object({ id: z.string() }).optional(),
  volume: z.object({ id: z.string(), name: z.string() }).optional(),
})

const instance = z.object({
  id: z.string().min(1),
  crn: z.string().min(1),
  name: z.string(),
  /** deleting, failed, pending, restarting, running, starting, stopped, stopping, or what will be added. */
  status: z.string(),
  status_reasons: z.array(z.object({ code: z.string(), message: z.string().default('') })).default([]),
  created_at: z.string(),
  profile: z.object({ name: z.string() }),
  zone: z.object({ name: z.string() }),
  primary_network_interface: z.object({
    id: z.string(),
    primary_ip: z.object({ address: z.string() }).optional(),
  }),
  volume_attachments: z.array(attachment).default([]),
})

/** A machine as VPC tells of it: https://cloud.ibm.com/apidocs/vpc#get-instance */
export type Instance = z.infer<typeof instance>

type Quick = Pick<Context, 'signal'>

/** Whether a machine can still be worked on, or will be. */
export function lives({ status }: Instance): boolean {
  return /^(pending|starting|running|restarting)$/.test(status)
}

/** All machines of a region, ours or not, in every state. */
export async function everyInstance(settings: IbmSettings, region: string, ctx: Quick): Promise<Instance[]> {
  return await list(settings, region, {}, ctx)
}

/** The machine of that name; names are unique in a region. */
export async function instanceNamed(
  settings: IbmSettings,
  region: string,
  name: string,
  ctx: Quick,
): Promise<Instance | undefined> {
  return (await list(settings, region, { name }, ctx))[0]
}

/** Undefined when there is none with the id. */
export async function instanceById(
  { call }: IbmSettings,
  region: string,
  id: string,
  ctx: Quick,
): Promise<Instance | undefined> {
  const what = `looking at the machine ${id}`
  const path = `/instances/${encodeURIComponent(id)}`
  return await call({ what, service: 'vpc', region, path, answer: instance, accept: [404] }, ctx)
}

/** Asks once: a lost answer has to be looked for by the name. */
export async function createInstance(
  { call }: IbmSettings,
  region: string,
  body: object,
  ctx: Quick,
): Promise<Instance> {
  const request = { what: 'starting a machine', service: 'vpc', region, method: 'POST', once: true } as const
  return (await call({ ...request, path: '/instances', body, answer: instance }, ctx))!
}

/** Begins to delete; "not there" is success. Throws `ibm-busy` while VPC is at work with it. */
export async function deleteInstance(
  { call }: IbmSettings,
  region: string,
  id: string,
  ctx: Quick,
): Promise<void> {
  const what = `ending the machine ${id}`
  const path = `/instances/${encodeURIComponent(id)}`
  const request = { what, service: 'vpc', region, method: 'DELETE', path, accept: [404] } as const
  await call({ ...request, answer: z.unknown() }, ctx)
}

async function list(
  settings: IbmSettings,
  region: string,
  query: Record<string, string>,
  ctx: Quick,
): Promise<Instance[]> {
  const listing = { what: 'listing machines', region, path: '/instances', query }
  return await everyThing(settings, { ...listing, key: 'instances', thing: instance }, ctx)
}
