import type { ArchitectureName } from '#arch/index.ts'
import type { Context } from '#src/context.ts'

/** What a reference was found to be: a multi-arch index and its entries. */
export interface ResolvedImage {
  reference: string
  /** Digest of the index, `sha256:…`; for a single manifest, of that manifest. */
  digest: string
  kind: 'index' | 'manifest'
  /** Manifest digest by architecture; only architectures that the factory knows. */
  manifests: Partial<Record<ArchitectureName, string>>
}

export interface IndexEntry {
  arch: ArchitectureName
  digest: string
  sizeBytes: number
  mediaType: string
}

export interface WrittenIndex {
  /** `registry/repository:tag` */
  reference: string
  digest: string
}

export interface RegistryClient {
  /** Finds out what a reference is right now; fails with `image-not-found`, `registry-unreachable` or `registry-auth`. */
  resolve(reference: string, ctx: Context): Promise<ResolvedImage>
  /** Compressed bytes of all layers of an image for one architecture, as the registry states them. */
  layerBytes(reference: string, arch: ArchitectureName, ctx: Context): Promise<number>
  /** Writes, reads again and compares; fails with `index-mismatch` when the registry holds anything else than was asked. */
  writeIndex(request: IndexRequest, ctx: Context): Promise<WrittenIndex>
}

export interface RegistryWatcher {
  /**
   * The digest that a reference stands for right now, by a HEAD request; fails as `resolve` does. Where the registry
   * asked to be left alone for a while, the error's context has `retryAfterMs`.
   */
  digest(reference: string, ctx: Context): Promise<string>
}

export interface IndexRequest {
  /** Repository without tag: `quay.io/example/copr-builder`. */
  repository: string
  tag: string
  /** Manifests that are in the repository already; their sizes and types are asked from the registry. */
  entries: readonly { arch: ArchitectureName; digest: string }[]
  annotations?: Readonly<Record<string, string>>
}
