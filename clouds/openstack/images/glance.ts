import { z } from 'zod'
import type { Context } from '#src/context.ts'
import { isNotFound } from '../failures.ts'
import { everyItem } from '../pages.ts'
import type { OpenstackSettings } from '../settings.ts'

/** An image as Glance tells of it; properties stand beside the rest: https://docs.openstack.org/api-ref/image/v2/ */
export type GlanceImage = z.infer<typeof glanceImage>

export const glanceImage = z.looseObject({
  id: z.string(),
  name: z.string().nullish(),
  /** queued, saving, uploading, importing, active, deactivated, killed, pending_delete, deleted. */
  status: z.string(),
  /** Of a project. */
  owner: z.string().nullish(),
  visibility: z.string().optional(),
  os_hidden: z.boolean().optional(),
  disk_format: z.string().nullish(),
  size: z.number().nullish(),
  /** Of the disk in a qcow2; Glance tells it since 2021. */
  virtual_size: z.number().nullish(),
  min_disk: z.number().optional(),
  os_hash_algo: z.string().nullish(),
  os_hash_value: z.string().nullish(),
  created_at: z.string(),
  updated_at: z.string(),
})

/** One image; undefined when it is not there. */
export async function imageById(
  { session }: OpenstackSettings,
  region: string,
  id: string,
  ctx: Context,
): Promise<GlanceImage | undefined> {
  const path = `/images/${encodeURIComponent(id)}`
  try {
    return await session.json(
      { service: 'image', region, what: `looking at the image ${id}`, path },
      glanceImage,
      ctx,
    )
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/** The images of our own project with these properties, hidden ones too: an image that is being made is hidden. */
export async function imagesWith(
  settings: OpenstackSettings,
  region: string,
  properties: Readonly<Record<string, string>>,
  ctx: Context,
): Promise<GlanceImage[]> {
  const { project } = await settings.session.token(ctx)
  const found = await everyImage(settings, region, properties, ctx)
  // A property is no secret and no proof: another project may share an image with ours.
  return found.filter((image) => image.owner === project.id && has(image, properties))
}

/** All images that we can see and that are called so, whoever they belong to. */
export async function imagesNamed(
  settings: OpenstackSettings,
  region: string,
  name: string,
  ctx: Context,
): Promise<GlanceImage[]> {
  return (await everyImage(settings, region, { name }, ctx)).filter((image) => image.name === name)
}

async function everyImage(
  settings: OpenstackSettings,
  region: string,
  query: Readonly<Record<string, string>>,
  ctx: Context,
): Promise<GlanceImage[]> {
  const list = (os_hidden: string) =>
    everyItem(
      settings,
      {
        service: 'image',
        region,
        what: 'looking at images',
        path: '/images',
        query: { ...query, os_hidden },
        collection: 'images',
        item: glanceImage,
      },
      ctx,
    )
  // One after the other: what becomes visible in between is seen twice and never missed.
  const hidden = await list('true')
  const visible = await list('false')
  return [...new Map([...hidden, ...visible].map((image) => [image.id, image])).values()]
}

function has(image: GlanceImage, properties: Readonly<Record<string, string>>): boolean {
  return Object.entries(properties).every(([key, value]) => image[key] === value)
}
