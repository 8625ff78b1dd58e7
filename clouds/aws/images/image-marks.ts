import { createHash } from 'node:crypto'
import type { Image as Ami } from '@aws-sdk/client-ec2'
import type { Image, ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { type Marks, isArchitecture, marksOf } from '../tags.ts'

/** Set last, when a new image is shared as configured: only what bears it counts. */
export const readyMark = 'ready'

/** What an image and its snapshot say about themselves: enough to find them by content, and to adopt them without a journal. */
export function imageMarks(key: ImageKey, { virtualBytes }: Pick<Artifact, 'virtualBytes'>): Marks {
  const { owner, release, arch, sha256, format, origin } = key
  return {
    owner,
    release,
    arch,
    sha256,
    format,
    size: String(virtualBytes),
    'release-key': origin.releaseKey,
    'build-key': origin.buildKey,
    identity: origin.identity,
    'image-name': origin.imageName,
    ...(origin.pushedDigest === undefined ? {} : { 'pushed-digest': origin.pushedDigest }),
  }
}

/** What finds everything of one content again, whichever release made it. */
export function contentMarks({ owner, sha256 }: Pick<ImageKey, 'owner' | 'sha256'>): Marks {
  return { owner, sha256 }
}

/** The name carries the start of the content's digest; AMI names are unique in a region of an account. */
export function amiName({ name, sha256 }: Pick<ImageKey, 'name' | 'sha256'>): string {
  return `${name.replaceAll(/[^A-Za-z0-9()[\] ./'@_-]/g, '-')}-${sha256.slice(0, 12)}`
}

/** Deterministic, so that a call whose answer was lost has one effect; without anything that changes from try to try. */
export function clientToken(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** An AMI as what we made; undefined when it is not ours or its marks are not whole. */
export function imageFromAmi(cloud: string, region: string, ami: Ami): Image | undefined {
  const marks = marksOf(ami.Tags)
  const { owner, release, arch, sha256, format, size = '' } = marks
  const { ImageId: id, Name: name } = ami
  if (!owner || !release || !sha256 || !id || !name || !isArchitecture(arch)) return undefined
  if (format !== 'raw' || !/^\d+$/.test(size)) return undefined
  const { 'release-key': releaseKey, 'build-key': buildKey, identity = '' } = marks
  const { 'image-name': imageName = '', 'pushed-digest': pushedDigest } = marks
  const image: Image = {
    cloud,
    kind: 'aws',
    region,
    arch,
    id,
    name,
    format,
    sha256,
    sizeBytes: Number(size),
    release,
  }
  if (releaseKey === undefined || buildKey === undefined) return image
  const origin = { releaseKey, buildKey, identity, imageName }
  return { ...image, origin: pushedDigest === undefined ? origin : { ...origin, pushedDigest } }
}
