import type { ArchitectureName, DiskFormat } from '#arch/index.ts'
import type { CloudConfiguration } from '#clouds/index.ts'
import type { FactoryFile } from './schema.ts'
import type { Place } from './problems.ts'

/** The configuration as the program uses it: paths absolute, defaults filled in, sizes in bytes, times in milliseconds. */
export interface Configuration {
  /** Absolute path of the file. */
  readonly file: string
  readonly directory: string
  /** Where relative paths of `image` and `disk` start, when it is the tree of a commit and not `directory`. */
  readonly sources?: CommitTree
  /** Where the journal and the artifacts live: `FACTORY_HOME`, or `.factory` beside the file. */
  readonly stateDirectory: string
  readonly owner: string
  readonly image: ImageConfiguration
  readonly disk: DiskConfiguration
  readonly clouds: Readonly<Record<string, CloudConfiguration>>
  /** What is built, in the order of arch/: the architectures that have builders. */
  readonly architectures: readonly ArchitectureName[]
  /** Names of clouds, in the order in which they are tried. */
  readonly builders: Readonly<Partial<Record<ArchitectureName, readonly string[]>>>
  readonly publish: readonly PublishConfiguration[]
  readonly require: 'all' | 'any' | readonly ArchitectureName[]
  readonly limits: LimitsConfiguration
  readonly retention: RetentionConfiguration
  readonly rebuild: RebuildConfiguration
  readonly serve: ServeConfiguration
  readonly notify: readonly NotifyConfiguration[]
  /** Where a value stands in the file, for messages. */
  place(path: readonly (string | number)[]): Place
}

export interface CommitTree {
  /** Absolute path of what stands there for the directory of the file. */
  readonly directory: string
  readonly commit: string
  /** The address of the repository, without credentials. */
  readonly remote: string
}

export interface ImageConfiguration {
  readonly name: string
  readonly source: ContainerfileSource | ExistingImage
  /** Repository for the multi-architecture index, without a tag. */
  readonly push?: string
  readonly authFile?: string
}

export interface ContainerfileSource {
  readonly kind: 'containerfile'
  readonly containerfile: string
  /** Directory. */
  readonly context: string
  readonly buildArgs: Readonly<Record<string, string>>
  /** Files by secret id. */
  readonly secrets: Readonly<Record<string, string>>
}

export interface ExistingImage {
  readonly kind: 'ref'
  readonly ref: string
}

export interface DiskConfiguration {
  /** The disk builder's image for every architecture that is built. */
  readonly builders: Readonly<Partial<Record<ArchitectureName, string>>>
  readonly rootfs: 'xfs' | 'ext4' | 'btrfs'
  /** Least size of the root file system. */
  readonly sizeBytes?: number
  /** Path of a config.toml. */
  readonly config?: string
}

export interface PublishConfiguration {
  readonly to: string
  readonly architectures: readonly ArchitectureName[]
  readonly format: DiskFormat
  readonly verify: boolean
}

/** Every limit is in milliseconds. */
export interface LimitsConfiguration {
  readonly build: number
  readonly disk: number
  readonly boot: number
  readonly reconnect: number
  readonly lease: number
  readonly collect: number
}

export interface RetentionConfiguration {
  /** Newest complete releases. */
  readonly keep: number
  readonly minAgeMs: number
}

export interface RebuildConfiguration {
  readonly cron?: string
  readonly timezone: string
  readonly inactivityMs?: number
  readonly watch: readonly ('containerfile' | 'base')[]
  readonly git?: GitSource
  readonly everyMs: number
  readonly pauseAfter: number
}

export interface GitSource {
  /** An absolute path where it was a relative one. */
  readonly url: string
  readonly ref: string
  readonly directory: string
}

export interface ServeConfiguration {
  readonly host: string
  readonly port: number
  readonly hosts: readonly string[]
  /** File with the secret of the forges. */
  readonly webhookSecret?: string
}

/** As in the file, with absolute paths. */
export type NotifyConfiguration = FactoryFile['notify'][number]
