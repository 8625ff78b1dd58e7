import type { ArchitectureName } from '#arch/index.ts'
import type { Builder } from '#src/builder/types.ts'
import type { Context } from '#src/context.ts'

export interface PinnedReference {
  /** As the Containerfile writes it, e.g. `quay.io/fedora/fedora-bootc:44`. */
  reference: string
  /** Digest of the multi-arch index: `sha256:…`. */
  digest: string
}

/** One container build, the same for every architecture but for the machine it runs on. */
export interface ContainerRequest {
  arch: ArchitectureName
  /** A job id prefix that is unique in the release and stable across restarts. */
  jobId: string
  /** Directory on the builder that holds the context; undefined when `image.ref` is given and nothing is built. */
  contextDirectory?: string
  /** Path of the Containerfile on the builder. */
  containerfile?: string
  bases: readonly PinnedReference[]
  buildArgs: Readonly<Record<string, string>>
  /** id → file on the builder (0600, tmpfs), mounted for the RUN steps that ask for it; never an environment variable. */
  secrets: Readonly<Record<string, string>>
  /** The local tag that the result gets: what the disk builder is given. */
  tag: string
  labels: Readonly<Record<string, string>>
  /** Content of /usr/lib/image-factory/release in the image: how a booted image says what it is. */
  identity: string
  /**
   * An existing image, pinned by digest, instead of a build. It stays byte-identical: neither labels nor identity are
   * added, so a booted image of it cannot say which release it is of.
   */
  existing?: PinnedReference
  /** Where our raw copies of the logs of its jobs are kept. */
  logDirectory: string
  limitMs: number
}

export interface ContainerResult {
  /** Image id in the builder's storage, `sha256:…`. */
  imageId: string
  tag: string
  /** Uncompressed bytes of the image. */
  sizeBytes: number
}

export interface ContainerBuilder {
  /** Fails with a clear message when the builder lacks the tool. */
  probe(builder: Builder): Promise<{ version: string }>
  build(builder: Builder, request: ContainerRequest, ctx: Context): Promise<ContainerResult>
  /** Pushes one architecture; returns the digest of its manifest in the registry, as the builder says it. */
  push(builder: Builder, request: PushRequest, ctx: Context): Promise<{ digest: string }>
}

export interface PushRequest {
  jobId: string
  tag: string
  /** Repository without tag: `quay.io/example/copr-builder`. */
  repository: string
  /** Tag under which this architecture's manifest travels, e.g. `20261121.0-s390x`. */
  remoteTag: string
  /** Docker-style auth file on the builder (0600, tmpfs). */
  authFile?: string
  /** Where our raw copies of the logs of its jobs are kept. */
  logDirectory: string
  limitMs: number
}
