import { join } from 'node:path'
import type { ArchitectureName } from '#arch/index.ts'
import type { Cloud } from '#clouds/types.ts'
import type { ArtifactStore } from '#src/artifact/store.ts'
import type { Builder, BuilderLogin, BuilderRef } from '#src/builder/types.ts'
import type { Configuration } from '#src/config/types.ts'
import type { ContainerBuilder } from '#src/container/types.ts'
import type { Context } from '#src/context.ts'
import type { DiskBuilder } from '#src/disk/types.ts'
import type { Listener } from '#src/events.ts'
import type { Journal } from '#src/journal/journal.ts'
import type { RegistryClient } from '#src/registry/types.ts'
import { sleep } from '#src/sleep.ts'
import type { Waiting } from './places.ts'

/** What the engine works with; tests hand in scripted parts, the commands hand in the real ones. */
export interface EngineParts {
  readonly configuration: Configuration
  readonly stateDirectory: string
  readonly journal: Journal
  readonly store: ArtifactStore
  readonly clouds: ReadonlyMap<string, Cloud>
  readonly container: ContainerBuilder
  readonly disk: DiskBuilder
  readonly registry: RegistryClient
  readonly openBuilder: (ref: BuilderRef, login: BuilderLogin, ctx: Context) => Promise<Builder>
  readonly listener: Listener
  readonly signal: AbortSignal
  readonly now: () => number
  /** Takes secrets out of whatever is about to be shown or kept. */
  readonly mask: (text: string) => string
  /** Leave a failed build's builder running for `factory ssh ARCH`. */
  readonly keepBuilders: boolean
}

/** The engine's parts while one release is being made. */
export interface ReleaseScope extends EngineParts {
  readonly release: string
  readonly key: string
  /** One a cloud, of those who wait for a place for their machine. */
  readonly queues: ReadonlyMap<string, Waiting[]>
  /** Architectures that may still ask for a machine to build on for the first time. */
  readonly coming: Set<ArchitectureName>
}

/** A context that is bound to the release and to no step: for sessions that outlive the step which opens them. */
export function releaseContext(scope: Pick<EngineParts, 'signal' | 'now'>): Context {
  const { signal, now } = scope
  return { signal, now, sleep: (ms) => sleep(ms, signal), emit: () => undefined, log: () => undefined }
}

/** Where the release.json of a release lies. */
export function releaseManifestFile(stateDirectory: string, release: string): string {
  return join(releaseDirectory(stateDirectory, release), 'release.json')
}

/** Where everything of one release lies: logs and release.json. */
export function releaseDirectory(stateDirectory: string, release: string): string {
  return join(stateDirectory, 'releases', release)
}
