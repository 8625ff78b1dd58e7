import { architectures } from '#arch/index.ts'
import type { BuilderSpec } from '#clouds/types.ts'
import type { Context } from '#src/context.ts'
import { FactoryError } from '#src/errors.ts'
import { type GlanceImage, imageById, imagesNamed } from '../images/glance.ts'
import type { OpenstackSettings } from '../settings.ts'

const gibibyte = 1024 ** 3
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What a machine starts from. */
export interface BootImage {
  id: string
  name: string
  /** GiB that its disk has at least. */
  diskGib: number
  user: string
}

/**
 * The published image that is to be verified, or the base image of builders. Throws, class user, when it is not there or
 * is for another architecture; nothing is rented until then.
 */
export async function bootImage(
  settings: OpenstackSettings,
  { arch, image }: Pick<BuilderSpec, 'arch' | 'image'>,
  ctx: Context,
): Promise<BootImage> {
  const { name, configuration } = settings
  const { region } = configuration
  const base = configuration.base[arch]
  const key = image ? `the image ${image.name}` : `clouds.${name}.base.${arch}`
  if (!image && !base) throw noBase(key, arch)
  const word = image?.id ?? base!.image
  const found = await newest(settings, word, ctx)
  if (!found) throw missing(key, word, region)
  assertUsable(found, key, arch)
  const diskBytes = image?.sizeBytes ?? found.virtual_size ?? found.size ?? 0
  const least = Math.max(found.min_disk ?? 0, Math.ceil(diskBytes / gibibyte), 1)
  return { id: found.id, name: found.name ?? word, diskGib: least, user: image ? 'root' : base!.user }
}

async function newest(
  settings: OpenstackSettings,
  word: string,
  ctx: Context,
): Promise<GlanceImage | undefined> {
  const { region } = settings.configuration
  const byId = uuid.test(word) ? await imageById(settings, region, word, ctx) : undefined
  if (byId) return byId
  const named = await imagesNamed(settings, region, word, ctx)
  const active = named.filter(({ status, os_hidden }) => status === 'active' && os_hidden !== true)
  return active.toSorted((a, b) => b.created_at.localeCompare(a.created_at))[0]
}

function assertUsable(image: GlanceImage, key: string, arch: BuilderSpec['arch']): void {
  const its = image['architecture'] ?? image['hw_architecture']
  const { name, debian, oci } = architectures[arch]
  if (typeof its === 'string' && ![name, debian, oci].includes(its as typeof name)) {
    throw new FactoryError({
      code: 'openstack-base-architecture',
      message: `${key} is ${image.id}, which is for ${its} and not for ${arch}`,
      hint: `Name an image for ${arch}: openstack image list --property architecture=${arch}`,
      class: 'user',
    })
  }
  if (image.status === 'active') return
  throw new FactoryError({
    code: 'openstack-base-missing',
    message: `${key} is ${image.id}, and no machine can be started from it: it is ${image.status}`,
    hint: `Look at it: openstack image show ${image.id}`,
    class: 'user',
  })
}

function noBase(key: string, arch: string): FactoryError {
  return new FactoryError({
    code: 'base-not-configured',
    message: `${key} is not in the configuration, so this cloud rents no ${arch} machines`,
    hint: `Add ${key}.image, or name another cloud under builders.${arch}.`,
    class: 'user',
  })
}

function missing(key: string, word: string, region: string): FactoryError {
  return new FactoryError({
    code: 'openstack-base-missing',
    message: `${key} is ${word}, and there is no such image in ${region} that this project may use`,
    hint: 'See which there are: openstack image list --status active',
    class: 'user',
  })
}
