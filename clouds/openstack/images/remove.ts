import type { Image } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { isNotFound, statusOf } from '../failures.ts'
import type { OpenstackSettings } from '../settings.ts'
import { changeImage } from './finish.ts'
import { type GlanceImage, imageById } from './glance.ts'
import { channelProperty, readyProperty } from './image-properties.ts'

/** Removes an image; one that is not there, or has become another one, is left alone. */
export async function removeImage(settings: OpenstackSettings, image: Image, ctx: Context): Promise<void> {
  const { region, id } = image
  const found = await imageById(settings, region, id, ctx)
  if (found?.['factory_sha256'] !== image.sha256) return
  try {
    await deleteImage(settings, region, id, ctx)
  } catch (error) {
    if (statusOf(error) !== 409) throw error
    await putAside(settings, region, id, ctx)
    throw inUse(id, region, error)
  }
}

/** "Not there" is success. */
export async function deleteImage(
  { session }: OpenstackSettings,
  region: string,
  id: string,
  ctx: Context,
): Promise<void> {
  const what = `removing the image ${id}`
  try {
    await session.send({ service: 'image', region, what, method: 'DELETE', path: `/images/${id}` }, ctx)
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

/**
 * On Ceph the disks of machines can stand on their image, which cannot be removed then. It is taken out of use: unmarked,
 * hidden, and deactivated, so that nobody starts more from it; without its mark it is a leftover that the reaper tries again.
 */
async function putAside(
  settings: OpenstackSettings,
  region: string,
  id: string,
  ctx: Context,
): Promise<void> {
  const found = await imageById(settings, region, id, ctx)
  if (!found) return
  const marks = [readyProperty, channelProperty].filter((name) => found[name] !== undefined)
  const unmark = marks.map((name) => ({ op: 'remove', path: `/${name}` }) as const)
  const hide = { op: 'replace', path: '/os_hidden', value: true } as const
  await changeImage(settings, region, id, [...unmark, hide], ctx)
  const what = `deactivating the image ${id}`
  const path = `/images/${id}/actions/deactivate`
  await settings.session.send({ service: 'image', region, what, method: 'POST', path, repeatable: true }, ctx)
}

/** Takes an image that was put aside into use again: its content is wanted once more, and it cannot be removed. */
export async function takeBack(
  settings: OpenstackSettings,
  region: string,
  id: string,
  ctx: Context,
): Promise<GlanceImage | undefined> {
  const what = `reactivating the image ${id}`
  const path = `/images/${id}/actions/reactivate`
  await settings.session.send({ service: 'image', region, what, method: 'POST', path, repeatable: true }, ctx)
  return await imageById(settings, region, id, ctx)
}

function inUse(id: string, region: string, cause: unknown): FactoryError {
  return new FactoryError({
    code: 'openstack-image-in-use',
    message: `the image ${id} in ${region} cannot be removed because machines or volumes stand on it; nobody can start from it any more`,
    hint: `Remove those (openstack server list --image ${id}), then run factory reap: it removes the image.`,
    class: 'infra',
    cause,
  })
}
