import { basename } from 'node:path'
import { z } from 'zod'
import type { Artifact } from '#src/artifact/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { isNotFound } from '../failures.ts'
import type { OpenstackSettings } from '../settings.ts'
import { type GlanceImage, imageById } from './glance.ts'

const info = z.object({ 'import-methods': z.object({ value: z.array(z.string()) }) })
const tasks = z.object({ tasks: z.array(z.object({ message: z.string().nullish(), status: z.string() })) })

/** The ways by which this Glance imports images; none where it is older than that. */
export async function importMethods(
  { session }: OpenstackSettings,
  region: string,
  ctx: Context,
): Promise<readonly string[]> {
  const request = {
    service: 'image',
    region,
    what: 'asking for ways to import',
    path: '/info/import',
  } as const
  try {
    return (await session.json(request, info, ctx))['import-methods'].value
  } catch (error) {
    if (isNotFound(error)) return []
    throw error
  }
}

/** Throws when the configured way is none that this Glance offers. */
export async function assertMethod(settings: OpenstackSettings, region: string, ctx: Context): Promise<void> {
  const { method } = settings.configuration
  if (method === 'put') return
  const offered = await importMethods(settings, region, ctx)
  if (offered.includes(method)) return
  throw new FactoryError({
    code: 'openstack-import-method',
    message: `Glance in ${region} does not offer ${method}; it offers: ${offered.join(', ') || 'nothing but put'}`,
    hint: 'Write another `method` for the cloud in the configuration, or leave it out.',
    class: 'user',
  })
}

/** Where Glance gets an artifact from, with `method: web-download`. */
export function addressOf({ configuration }: OpenstackSettings, { path }: Artifact): string {
  return `${configuration.downloadFrom!.replace(/\/+$/, '')}/${basename(path)}`
}

/**
 * Has Glance take an image from its staging area, or from an address. An answer that was lost shows in the state of the
 * image: it does not go back to where it was by itself.
 */
export async function startImport(
  settings: OpenstackSettings,
  region: string,
  id: string,
  method: { name: string; uri?: string },
  ctx: Context,
): Promise<void> {
  const what = `importing the image ${id}`
  const path = `/images/${id}/import`
  try {
    await settings.session.send(
      { service: 'image', region, what, method: 'POST', path, json: { method } },
      ctx,
    )
  } catch (error) {
    ctx.signal.throwIfAborted()
    const image = await imageById(settings, region, id, ctx)
    if (image?.status !== 'importing' && image?.status !== 'active') throw error
    ctx.log(`${id} is ${image.status} although the answer was lost`)
  }
}

/** Why an import failed, as far as Glance tells; undefined while it has not. */
export async function importFailure(
  { session }: OpenstackSettings,
  region: string,
  image: GlanceImage,
  ctx: Context,
): Promise<string | undefined> {
  const path = `/images/${image.id}/tasks`
  const request = { service: 'image', region, what: 'asking for the import', path } as const
  try {
    const answer = await session.json(request, tasks, ctx)
    const failed = answer.tasks.find(({ status }) => status === 'failure')
    if (failed) return failed.message || 'Glance does not say why'
  } catch (error) {
    // Older ones have no such list; then the property says it.
    if (!isNotFound(error)) throw error
  }
  const stores = image['os_glance_failed_import']
  return typeof stores === 'string' && stores !== '' ? `it failed in ${stores}` : undefined
}
