import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import type { Builder, RemoteFile } from '#src/builder/types.ts'
import type { PinnedReference } from '#src/container/types.ts'
import type { Context } from '#src/context.ts'

export interface DiskRequest {
  arch: ArchitectureName
  /** A job id prefix that is unique in the release and stable across restarts. */
  jobId: string
  /** Local tag of the bootable container image; the disk builder takes tags, never digests. */
  tag: string
  /** The disk builder's image, pinned. */
  tool: PinnedReference
  rootfs: 'xfs' | 'ext4' | 'btrfs'
  /** qcow2 and raw in one run; never empty. */
  formats: readonly DiskFormat[]
  /** Content of config.toml for the tool, when the user has one. */
  config?: string
  /** Empty directory on the data volume. */
  outputDirectory: string
  /** Where our raw copies of the logs of its jobs are kept. */
  logDirectory: string
  limitMs: number
}

export interface ArtifactOnBuilder extends RemoteFile {
  format: DiskFormat
  /** Size in bytes of the disk inside. */
  virtualBytes: number
}

export interface DiskBuilder {
  /** Format × architecture, known before anything is rented. */
  makes(arch: ArchitectureName, format: DiskFormat): boolean
  build(builder: Builder, request: DiskRequest, ctx: Context): Promise<ArtifactOnBuilder[]>
}
