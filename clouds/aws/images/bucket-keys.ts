import type { ImageKey } from '#clouds/types.ts'

/** What the name of an object says: all that a listing tells of an upload that was never finished. */
export interface ObjectName {
  readonly owner: string
  readonly sha256: string
  readonly release: string
  readonly arch: string
}

const form = /^([^/]+)\/sha256\/([0-9a-f]{64})\/([^/]+)\/([^/]+)\.raw$/

/** `OWNER/sha256/DIGEST/RELEASE/ARCH.raw`: found by its content, whichever release began it. */
export function objectKey({ owner, sha256, release, arch }: ImageKey): string {
  return `${contentPrefix({ owner, sha256 })}${encodeURIComponent(release)}/${arch}.raw`
}

/** Where everything of one content is. */
export function contentPrefix({ owner, sha256 }: Pick<ImageKey, 'owner' | 'sha256'>): string {
  return `${ownerPrefix(owner)}${sha256}/`
}

/** Where everything of an owner is. */
export function ownerPrefix(owner: string): string {
  return `${encodeURIComponent(owner)}/sha256/`
}

/** Undefined when the object is none of ours. */
export function readObjectKey(key: string): ObjectName | undefined {
  const [owner, sha256, release, arch] = form.exec(key)?.slice(1) ?? []
  if (!owner || !sha256 || !release || !arch) return undefined
  return { owner: decodeURIComponent(owner), sha256, release: decodeURIComponent(release), arch }
}
