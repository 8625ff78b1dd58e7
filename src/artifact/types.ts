import type { ArchitectureName, DiskFormat } from '#arch/index.ts'

/** A file that a build made, held in the content-addressed store under its sha256. */
export interface Artifact {
  readonly arch: ArchitectureName
  readonly format: DiskFormat
  /** Absolute path in the store; sparse. */
  readonly path: string
  /** Hex, of the whole file with holes read as zeros. */
  readonly sha256: string
  /** Apparent size in bytes. */
  readonly sizeBytes: number
  /** Size of the disk inside: equal to `sizeBytes` for raw. */
  readonly virtualBytes: number
  /** Bytes of content: what travels and what is stored. */
  readonly contentBytes: number
}
