import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { everyThing } from '../pages.ts'
import type { IbmSettings } from '../settings.ts'

const vpcImage = z.object({
  id: z.string().min(1),
  crn: z.string().min(1),
  name: z.string().min(1),
  /** available, deleting, deprecated, failed, obsolete, pending, unusable, or what will be added. */
  status: z.string(),
  status_reasons: z.array(z.object({ code: z.string(), message: z.string().default('') })).default([]),
  created_at: z.string(),
  minimum_provisioned_size: z.number().optional(),
  /** RFC 3339; once it has come the status is `deprecated`. */
  deprecation_at: z.string().nullish(),
  /** RFC 3339; once it has come the status is `obsolete`. */
  obsolescence_at: z.string().nullish(),
  operating_system: z.object({ name: z.string(), architecture: z.string() }).optional(),
  file: z
    .object({
      checksums: z.object({ sha256: z.string().optional() }).optional(),
      size: z.number().optional(),
    })
    .default({}),
})

/** An image as VPC tells of it: https://cloud.ibm.com/apidocs/vpc#get-image */
export type VpcImage = z.infer<typeof vpcImage>

/** The dates on which the status of an image changes; null for never. */
export type LifecycleDates = Pick<VpcImage, 'deprecation_at' | 'obsolescence_at'>

type Quick = Pick<Context, 'signal'>

/** All images of this account in a region, ours or not, in every state. */
export async function ownImages(settings: IbmSettings, region: string, ctx: Quick): Promise<VpcImage[]> {
  return await list(settings, region, { visibility: 'private' }, ctx)
}

/** The image of that name, this account's or a public one; undefined when there is none. */
export async function imageNamed(
  settings: IbmSettings,
  region: string,
  name: string,
  ctx: Quick,
): Promise<VpcImage | undefined> {
  return (await list(settings, region, { name }, ctx))[0]
}

/** Undefined when there is none with the id. */
export async function imageById(
  { call }: IbmSettings,
  region: string,
  id: string,
  ctx: Quick,
): Promise<VpcImage | undefined> {
  const what = `looking at the image ${id}`
  const path = `/images/${encodeURIComponent(id)}`
  return await call({ what, service: 'vpc', region, path, answer: vpcImage, accept: [404] }, ctx)
}

/** Asks once: a lost answer has to be looked for by the name. */
export async function createImage(
  { call }: IbmSettings,
  region: string,
  body: object,
  ctx: Quick,
): Promise<VpcImage> {
  const what = 'importing an image'
  const answer = await call(
    { what, service: 'vpc', region, method: 'POST', path: '/images', body, answer: vpcImage, once: true },
    ctx,
  )
  return answer!
}

/** https://cloud.ibm.com/apidocs/vpc#update-image: removing a date that has come takes the image back into its status before. */
export async function changeImage(
  { call }: IbmSettings,
  region: string,
  id: string,
  body: LifecycleDates,
  ctx: Quick,
): Promise<void> {
  const what = `changing the image ${id}`
  const path = `/images/${encodeURIComponent(id)}`
  await call({ what, service: 'vpc', region, method: 'PATCH', path, body, answer: vpcImage }, ctx)
}

/** Deprecates an image that is available and has no date for that: https://cloud.ibm.com/apidocs/vpc#deprecate-image */
export async function deprecateImage(
  { call }: IbmSettings,
  region: string,
  id: string,
  ctx: Quick,
): Promise<void> {
  const what = `deprecating the image ${id}`
  const path = `/images/${encodeURIComponent(id)}/deprecate`
  await call({ what, service: 'vpc', region, method: 'POST', path, answer: z.unknown() }, ctx)
}

/** Begins to delete; "not there" is success. Throws `ibm-busy` while the image is being imported. */
export async function deleteImage(
  { call }: IbmSettings,
  region: string,
  id: string,
  ctx: Quick,
): Promise<void> {
  const what = `deleting the image ${id}`
  const path = `/images/${encodeURIComponent(id)}`
  await call(
    { what, service: 'vpc', region, method: 'DELETE', path, answer: z.unknown(), accept: [404] },
    ctx,
  )
}

async function list(
  settings: IbmSettings,
  region: string,
  query: Record<string, string>,
  ctx: Quick,
): Promise<VpcImage[]> {
  const listing = { what: 'listing images', region, path: '/images', query, key: 'images', thing: vpcImage }
  return await everyThing(settings, listing, ctx)
}
