import type { ArchitectureName } from '#arch/index.ts'

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
