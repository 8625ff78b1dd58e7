import { z } from 'zod'
import type { Finding } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { formatBytes } from '#src/units.ts'
import { importMethods } from '../images/import.ts'
import { roomForImages } from '../images/room.ts'
import type { OpenstackSettings } from '../settings.ts'
import { type Look, finding, ok } from './finding.ts'

const schema = z.object({
  properties: z.object({
    disk_format: z.object({ enum: z.array(z.string().nullable()) }),
    container_format: z.object({ enum: z.array(z.string().nullable()) }),
  }),
})
/** A disk of a usual root file system; what is less is worth a word. */
const littleBytes = 10 * 1024 ** 3

/** What Glance in a region takes: formats, ways, room. */
export async function* lookAtImages(
  settings: OpenstackSettings,
  region: string,
  roles: readonly string[],
  ctx: Context,
): AsyncIterable<Finding> {
  yield await finding(`image formats in ${region}`, () => lookAtFormats(settings, region, ctx))
  yield await finding(`ways to Glance in ${region}`, () => lookAtMethods(settings, region, ctx))
  yield await finding(`quota of images in ${region}`, () => lookAtRoom(settings, region, ctx))
  if (settings.configuration.visibility === 'public' && !roles.includes('admin')) {
    const message = 'most clouds let only administrators make images public, and this user has no role admin'
    const hint = 'Write `visibility: community` or `shared`, or ask who runs the cloud.'
    yield { severity: 'warning', subject: `public images in ${region}`, message, hint }
  }
}

async function lookAtFormats({ session }: OpenstackSettings, region: string, ctx: Context): Promise<Look> {
  const request = {
    service: 'image',
    region,
    what: 'asking for image formats',
    path: '/schemas/image',
  } as const
  const { disk_format: disk, container_format: container } = (await session.json(request, schema, ctx))
    .properties
  const formats = ['raw', 'qcow2'].filter((format) => disk.enum.includes(format))
  if (container.enum.includes('bare') && formats.includes('raw')) return ok(formats.join(', '))
  const message = `Glance takes ${formats.join(', ') || 'neither raw nor qcow2'}${container.enum.includes('bare') ? '' : ', and nothing that is bare'}`
  return {
    severity: formats.length > 0 ? 'warning' : 'error',
    message,
    hint: 'Write a `format` that it takes in `publish`.',
  }
}

async function lookAtMethods(settings: OpenstackSettings, region: string, ctx: Context): Promise<Look> {
  const { method } = settings.configuration
  const offered = await importMethods(settings, region, ctx)
  const all = ['put', ...offered.filter((each) => each === 'glance-direct' || each === 'web-download')]
  if (method === 'put' || offered.includes(method))
    return ok(`${method} is used; there are: ${all.join(', ')}`)
  const message = `${method} is configured, and Glance offers: ${all.join(', ')}`
  return { severity: 'error', message, hint: 'Write another `method`, or leave it out.' }
}

async function lookAtRoom(settings: OpenstackSettings, region: string, ctx: Context): Promise<Look> {
  const room = await roomForImages(settings, region, ctx)
  const { bytes, images } = room ?? {}
  if (bytes === undefined && images === undefined) return ok('no limit that Glance tells of')
  const message = `room for ${images === undefined ? 'any number of images' : `${images} more images`}, ${bytes === undefined ? 'of any size' : `${formatBytes(bytes)} together`}`
  const hint = 'Remove images that are not needed (factory images), or ask who runs the cloud for more.'
  if (images === 0 || bytes === 0) return { severity: 'error', message, hint }
  if (bytes !== undefined && bytes < littleBytes) return { severity: 'warning', message, hint }
  return ok(message)
}
