import type { ImageKey } from '#clouds/types.ts'
import { escaped, unescaped } from '../marks.ts'

/** What the name of an object says: all that a listing tells of an upload that was never finished. */
export interface ObjectName {
  readonly owner: string
  readonly sha256: string
  readonly release: string
  readonly arch: string
}

const form = /^factory__(.+?)__([0-9a-f]{64})__(.+?)__(.+?)\.qcow2$/

/** `factory__OWNER__DIGEST__RELEASE__ARCH.qcow2`, without folders: VPC imports from none. Its ending says what the file is. */
export function objectKey({ owner, sha256, release, arch }: ImageKey): string {
  return `${contentPrefix({ owner, sha256 })}${escaped(release)}__${escaped(arch)}.qcow2`
}

/** How the names of all objects of one content begin. */
export function contentPrefix({ owner, sha256 }: Pick<ImageKey, 'owner' | 'sha256'>): string {
  return `${ownerPrefix(owner)}${sha256}__`
}

/** How the names of all objects of an owner begin. */
export function ownerPrefix(owner: string): string {
  return `factory__${escaped(owner)}__`
}

/** Undefined when the object is none of ours. */
export function readObjectKey(key: string): ObjectName | undefined {
  const [owner, sha256, release, arch] = form.exec(key)?.slice(1) ?? []
  if (!owner || !sha256 || !release || !arch) return undefined
  return { owner: unescaped(owner), sha256, release: unescaped(release), arch: unescaped(arch) }
}
