import type { ImageKey } from '#clouds/types.ts'
import { localExtents } from '#src/artifact/extents.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { Extent } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError, asFactoryError } from '#src/errors.ts'
import { isRefusal } from '../failures.ts'
import type { OpenstackSettings } from '../settings.ts'
import { until } from '../wait.ts'
import { digestOf } from './content.ts'
import { type GlanceImage, imageById } from './glance.ts'
import { addressOf, importFailure, startImport } from './import.ts'
import { type Sending, sendContent } from './upload.ts'

const activeLimitMs = 60 * 60_000
/** Glance sees within moments that a sender is gone. */
const settleLimitMs = 60_000
/** What has gone out whole, Glance may still be writing when nobody waits for its answer any more. */
const writtenLimitMs = 30 * 60_000

/**
 * Brings the content of an artifact into a queued image by the configured way, and returns when Glance has all of it and
 * its digest is ours.
 */
export async function bringContent(
  settings: OpenstackSettings,
  image: GlanceImage,
  artifact: Artifact,
  key: ImageKey,
  ctx: Context,
): Promise<void> {
  const { region } = key
  const { id } = image
  const { method } = settings.configuration
  const isSparse = artifact.format === 'raw'
  const whole = [{ offset: 0, length: artifact.sizeBytes }]
  const extents = isSparse ? await localExtents(artifact.path, artifact.sizeBytes, ctx) : whole
  let sha512: string | undefined
  if (image.status === 'queued') {
    if (method === 'web-download') {
      await startImport(settings, region, id, { name: method, uri: addressOf(settings, artifact) }, ctx)
    } else {
      sha512 = await send(settings, image, artifact, extents, region, ctx)
      if (method === 'glance-direct') await startImport(settings, region, id, { name: method }, ctx)
    }
  }
  const active = await activeImage(settings, region, id, ctx)
  const algorithm = active.os_hash_algo ?? 'none'
  const ours =
    algorithm === 'sha512' && sha512 !== undefined
      ? sha512
      : await digestOf(artifact, algorithm, extents, ctx.signal)
  if (active.os_hash_value !== ours) throw differs(active, region, ours)
}

/** The sha512 of what was sent; undefined when it arrived although the answer was lost. */
async function send(
  settings: OpenstackSettings,
  { id }: GlanceImage,
  artifact: Artifact,
  extents: readonly Extent[],
  region: string,
  ctx: Context,
): Promise<string | undefined> {
  const isStaged = settings.configuration.method === 'glance-direct'
  const path = `/images/${id}/${isStaged ? 'stage' : 'file'}`
  const what = `sending ${artifact.arch} to Glance`
  const sending: Sending = { bytes: 0 }
  try {
    return await sendContent(settings, { region, path, what }, artifact, { extents, sending }, ctx)
  } catch (error) {
    ctx.signal.throwIfAborted()
    // A quota, say: Glance itself may go on showing the image as one that is being saved.
    if (isRefusal(error)) throw error
    const limitMs = sending.bytes === artifact.sizeBytes ? writtenLimitMs : settleLimitMs
    const arrived = await settled(settings, region, id, ctx, limitMs)
    if (arrived?.status !== 'active') throw error
    ctx.log(`${id} has arrived although the answer was lost: ${asFactoryError(error).message}`)
    return undefined
  }
}

/** An image on which nobody works any more, or the way it is when the time for that is over. */
export async function settled(
  settings: OpenstackSettings,
  region: string,
  id: string,
  ctx: Context,
  limitMs = settleLimitMs,
): Promise<GlanceImage | undefined> {
  const deadline = ctx.now() + limitMs
  return await until(`the image ${id}`, 2 * limitMs, ctx, async () => {
    const image = await imageById(settings, region, id, ctx)
    const isBusy = image?.status === 'saving' || image?.status === 'importing'
    return isBusy && ctx.now() < deadline ? undefined : { image }
  }).then(({ image }) => image)
}

async function activeImage(
  settings: OpenstackSettings,
  region: string,
  id: string,
  ctx: Context,
): Promise<GlanceImage> {
  ctx.emit({ message: `waiting for ${id} to become active in ${region}` })
  return await until(`the image ${id} in ${region}`, activeLimitMs, ctx, async () => {
    const image = await imageById(settings, region, id, ctx)
    if (image?.status === 'active') return image
    if (!image || !['queued', 'saving', 'uploading', 'importing'].includes(image.status)) {
      throw failed(id, region, `it is ${image?.status ?? 'gone'}`)
    }
    const isImported = settings.configuration.method !== 'put'
    const why = isImported ? await importFailure(settings, region, image, ctx) : undefined
    if (why !== undefined) throw failed(id, region, why)
    return undefined
  })
}

function failed(id: string, region: string, why: string): FactoryError {
  return new FactoryError({
    code: 'openstack-image-failed',
    message: `Glance in ${region} did not make the image ${id} of what was sent: ${why}`,
    hint: 'Run the same command again: it is made once more. Where it says why, that is to be mended first.',
    class: 'infra',
  })
}

function differs(
  { id, os_hash_algo, os_hash_value }: GlanceImage,
  region: string,
  ours: string,
): FactoryError {
  const theirs = os_hash_value ? `${os_hash_algo} ${os_hash_value.slice(0, 16)}…` : 'no digest'
  return new FactoryError({
    code: 'openstack-image-differs',
    message: `the image ${id} in ${region} is not what was sent: Glance has ${theirs} and not ${ours.slice(0, 16)}…`,
    hint: 'It was removed. Run the same command again; when it stays so, this cloud converts images: publish in the format that it keeps (`format: raw`).',
    class: 'infra',
  })
}
