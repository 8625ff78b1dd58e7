import { type ArchitectureName, architectures } from '#arch/index.ts'
import type { Image, ImageKey } from '#clouds/types.ts'
import type { Artifact } from '#src/artifact/types.ts'
import { type IbmArchitecture, ibmArchitectures } from '../config.ts'
import type { Marks } from '../marks.ts'
import type { VpcImage } from './vpc-images.ts'

/** What an image says about itself: enough to find it by content, and to adopt it without a journal. */
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

/** Whether an image can be used: it is not being made, has not failed, and holds the bytes that its marks say. */
export function isUsable(image: VpcImage, marks: Partial<Marks>): boolean {
  return /^(available|deprecated)$/.test(image.status) && isWhole(image, marks)
}

/** The same for one that nothing may be started from any more. */
export function wasUsable(image: VpcImage, marks: Partial<Marks>): boolean {
  return /^(available|deprecated|obsolete)$/.test(image.status) && isWhole(image, marks)
}

/** An image of VPC as what we made; undefined when it is not ours or its marks are not whole. */
export function imageFrom(
  cloud: string,
  region: string,
  { id, name }: VpcImage,
  marks: Partial<Marks>,
): Image | undefined {
  const { owner, release, arch, sha256, format, size = '' } = marks
  if (!owner || !release || !sha256 || !isArchitecture(arch)) return undefined
  if (format !== 'qcow2' || !/^\d+$/.test(size)) return undefined
  const { 'release-key': releaseKey, 'build-key': buildKey, identity = '' } = marks
  const { 'image-name': imageName = '', 'pushed-digest': pushedDigest } = marks
  const facts = { cloud, kind: 'ibm', region, arch, id, name, format, sha256 } as const
  const image: Image = { ...facts, sizeBytes: Number(size), release }
  if (releaseKey === undefined || buildKey === undefined) return image
  const origin = { releaseKey, buildKey, identity, imageName }
  return { ...image, origin: pushedDigest === undefined ? origin : { ...origin, pushedDigest } }
}

export function isArchitecture(name: string | undefined): name is IbmArchitecture & ArchitectureName {
  return ibmArchitectures.some((each) => each === name)
}

/** VPC reads the file itself and says what it read. */
function isWhole({ file }: VpcImage, { sha256 }: Partial<Marks>): boolean {
  return sha256 !== undefined && file.checksums?.sha256 === sha256
}

/** The name of an architecture among operating systems and profiles. */
export function ibmArchitecture(arch: ArchitectureName): string {
  return architectures[arch].ibm ?? arch
}
