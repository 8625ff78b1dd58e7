import type { Context } from '#src/context.ts'
import { statusOf } from '../failures.ts'
import type { OpenstackSettings } from '../settings.ts'
import { readyProperty } from './image-properties.ts'

/** https://docs.openstack.org/api-ref/image/v2/#update-image */
const patchType = 'application/openstack-images-v2.1-json-patch'

export type Change = { op: 'add' | 'replace'; path: string; value: unknown } | { op: 'remove'; path: string }

/**
 * Shares a new image as configured, and then shows it and marks it as ready, both at once and last: one whose making was
 * cut off here is gone on with and not taken for done. Every call may be repeated.
 */
export async function finishImage(
  settings: OpenstackSettings,
  region: string,
  id: string,
  ctx: Context,
): Promise<void> {
  const { visibility, shareWith } = settings.configuration
  if (visibility !== 'private') {
    await changeImage(settings, region, id, [{ op: 'replace', path: '/visibility', value: visibility }], ctx)
  }
  for (const project of shareWith) await share(settings, region, id, project, ctx)
  await changeImage(
    settings,
    region,
    id,
    [
      { op: 'replace', path: '/os_hidden', value: false },
      { op: 'add', path: `/${readyProperty}`, value: 'yes' },
    ],
    ctx,
  )
}

/** Changes an image; changes say how it shall be, so they may be asked for twice. */
export async function changeImage(
  { session }: OpenstackSettings,
  region: string,
  id: string,
  json: readonly Change[],
  ctx: Context,
): Promise<void> {
  const headers = { 'content-type': patchType }
  const what = `changing the image ${id}`
  const path = `/images/${id}`
  await session.send(
    { service: 'image', region, what, method: 'PATCH', path, json, headers, repeatable: true },
    ctx,
  )
}

/** The other project still has to accept it: https://docs.openstack.org/api-ref/image/v2/#create-image-member */
async function share(
  { session }: OpenstackSettings,
  region: string,
  id: string,
  member: string,
  ctx: Context,
): Promise<void> {
  const what = `sharing the image ${id} with ${member}`
  const path = `/images/${id}/members`
  try {
    await session.send(
      { service: 'image', region, what, method: 'POST', path, json: { member }, repeatable: true },
      ctx,
    )
  } catch (error) {
    // It is one already.
    if (statusOf(error) !== 409) throw error
  }
}
