import { createHash } from 'node:crypto'
import { type ArchitectureName, architectures } from '#arch/index.ts'
import { channelMark } from '#clouds/image-mark.ts'
import type { Image, ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import type { OpenstackConfiguration } from '../config.ts'
import type { GlanceImage } from './glance.ts'

/** Set last, when content and sharing are as they shall be: only what bears it counts. */
export const readyProperty = 'factory_ready'
/** What people chose: the image's place in the channels. */
export const channelProperty = `factory_${channelMark}`

const gibibyte = 1024 ** 3

/** What an image says about itself: enough to find it by content, and to adopt it without a journal. */
export function markProperties(
  key: ImageKey,
  { virtualBytes }: Pick<Artifact, 'virtualBytes'>,
): Record<string, string> {
  const { release, arch, origin } = key
  return {
    ...contentProperties(key),
    factory_release: release,
    factory_arch: arch,
    factory_size: String(virtualBytes),
    factory_release_key: origin.releaseKey,
    factory_build_key: origin.buildKey,
    factory_identity: origin.identity,
    factory_image_name: origin.imageName,
    ...(origin.pushedDigest === undefined ? {} : { factory_pushed_digest: origin.pushedDigest }),
  }
}

/** What finds everything of one content again, whichever release made it. */
export function contentProperties({ owner, sha256, format }: Pick<ImageKey, 'owner' | 'sha256' | 'format'>) {
  return { factory_owner: owner, factory_sha256: sha256, factory_format: format }
}

/** What Nova and others read: https://docs.openstack.org/glance/latest/admin/useful-image-properties.html */
export function machineProperties(
  { firmware, distro, properties }: Pick<OpenstackConfiguration, 'firmware' | 'distro' | 'properties'>,
  arch: ArchitectureName,
): Record<string, string> {
  // There is nothing but UEFI for aarch64; bootc images for x86_64 boot either way.
  const own = firmware[arch] ?? (arch === 'aarch64' ? 'uefi' : undefined)
  return {
    architecture: arch,
    os_type: 'linux',
    os_distro: distro,
    ...(own === undefined ? {} : { hw_firmware_type: own }),
    ...properties,
  }
}

/** Glance keeps no names apart, so ours carries the start of the content's digest. */
export function imageName({ name, sha256 }: Pick<ImageKey, 'name' | 'sha256'>): string {
  return `${name.replaceAll(/[^\w. -]/g, '-')}-${sha256.slice(0, 12)}`
}

/**
 * The id that the `attempt`-th image of a key gets: Glance takes ours, makes nothing twice under one, and never gives one
 * out again, so that a call whose answer was lost has one effect.
 */
export function imageId(key: ImageKey, attempt: number): string {
  const { owner, region, name, sha256, format } = key
  const hex = createHash('sha256')
    .update(JSON.stringify([owner, region, name, sha256, format, attempt]))
    .digest('hex')
  // Version 8 of RFC 9562: a value of our own.
  const variant = '89ab'[Number.parseInt(hex[16]!, 16) % 4]
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** GiB that a disk needs for this image. */
export function minDisk({ virtualBytes }: Pick<Artifact, 'virtualBytes'>): number {
  return Math.ceil(virtualBytes / gibibyte)
}

export function isReady(image: GlanceImage): boolean {
  return image.status === 'active' && image[readyProperty] === 'yes'
}

/** An image as what we made; undefined when it is not ours or its properties are not whole. */
export function imageFromGlance(cloud: string, region: string, image: GlanceImage): Image | undefined {
  const text = (name: string) => (typeof image[name] === 'string' ? (image[name] as string) : undefined)
  const arch = text('factory_arch')
  const sha256 = text('factory_sha256')
  const format = text('factory_format')
  const release = text('factory_release')
  const size = text('factory_size') ?? ''
  if (!isArchitecture(arch) || sha256 === undefined || release === undefined || !image.name) return undefined
  if ((format !== 'raw' && format !== 'qcow2') || !/^\d+$/.test(size)) return undefined
  const { id, name } = image
  const sizeBytes = Number(size)
  const made: Image = { cloud, kind: 'openstack', region, arch, id, name, format, sha256, sizeBytes, release }
  const releaseKey = text('factory_release_key')
  const buildKey = text('factory_build_key')
  if (releaseKey === undefined || buildKey === undefined) return made
  const identity = text('factory_identity') ?? ''
  const origin = { releaseKey, buildKey, identity, imageName: text('factory_image_name') ?? '' }
  const pushedDigest = text('factory_pushed_digest')
  return { ...made, origin: pushedDigest === undefined ? origin : { ...origin, pushedDigest } }
}

function isArchitecture(name: string | undefined): name is ArchitectureName {
  return name !== undefined && Object.hasOwn(architectures, name)
}
