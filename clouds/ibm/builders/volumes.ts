import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { everyThing } from '../pages.ts'
import type { IbmSettings } from '../settings.ts'

const volume = z.object({
  id: z.string().min(1),
  crn: z.string().min(1),
  name: z.string(),
  /** available, failed, pending, pending_deletion, unusable, updating, or what will be added. */
  status: z.string(),
  attachment_state: z.string().optional(),
  created_at: z.string(),
  user_tags: z.array(z.string()).default([]),
})

/** A volume as VPC tells of it: https://cloud.ibm.com/apidocs/vpc#get-volume */
export type Volume = z.infer<typeof volume>

/** All volumes of a region, ours or not, in every state. */
export async function everyVolume(
  settings: IbmSettings,
  region: string,
  ctx: Pick<Context, 'signal'>,
): Promise<Volume[]> {
  const listing = { what: 'listing volumes', region, path: '/volumes', key: 'volumes', thing: volume }
  return await everyThing(settings, listing, ctx)
}

/** Begins to delete; "not there" is success. Throws `ibm-busy` while it is attached or being made. */
export async function deleteVolume(
  { call }: IbmSettings,
  region: string,
  id: string,
  ctx: Pick<Context, 'signal'>,
): Promise<void> {
  const what = `deleting the volume ${id}`
  const path = `/volumes/${encodeURIComponent(id)}`
  const request = { what, service: 'vpc', region, method: 'DELETE', path, accept: [404] } as const
  await call({ ...request, answer: z.unknown() }, ctx)
}
