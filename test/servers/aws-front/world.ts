import type { ImageRecord } from './images.ts'
import type { ImportTask } from './import.ts'
import type { InstanceRecord } from './instances.ts'
import type { FrontSettings } from './settings.ts'
import type { UploadRecord } from './multipart.ts'
import type { SnapshotRecord } from './snapshots.ts'
import { openTokens } from './tokens.ts'
import type { Tokens } from './tokens.ts'
import type { Upstream } from './upstream.ts'

/** Everything that the front knows besides what the emulator keeps. */
export interface World {
  readonly upstream: Upstream
  readonly account: string
  readonly settings: FrontSettings
  readonly tokens: Tokens
  /** By id; EC2 gives no id twice. */
  readonly snapshots: Map<string, SnapshotRecord>
  readonly images: Map<string, ImageRecord>
  readonly instances: Map<string, InstanceRecord>
  readonly imports: Map<string, ImportTask>
  /** Incomplete uploads to S3, by id. */
  readonly uploads: Map<string, UploadRecord>
  /** Of objects that were made of parts, by bucket/key. */
  readonly checksums: Map<string, string>
  /** Region and name of every image → its id. */
  readonly imageNames: Map<string, string>
  /** Calls that each new thing stays unknown for, by id. */
  readonly unknown: Map<string, number>
}

export function openWorld(upstream: Upstream, settings: FrontSettings, account: string): World {
  return {
    upstream,
    account,
    settings,
    tokens: openTokens(),
    snapshots: new Map(),
    images: new Map(),
    instances: new Map(),
    imports: new Map(),
    uploads: new Map(),
    checksums: new Map(),
    imageNames: new Map(),
    unknown: new Map(),
  }
}

export type Kind = keyof FrontSettings['unknownFor']

/** A new thing, which some of the next calls will not know. */
export function born(world: World, kind: Kind, id: string): void {
  const calls = world.settings.unknownFor[kind]
  if (calls > 0) world.unknown.set(id, calls)
}

/** Whether this call does not know the thing yet; each call counts. */
export function isUnknown(world: World, id: string): boolean {
  const left = world.unknown.get(id)
  if (left === undefined) return false
  if (left <= 1) world.unknown.delete(id)
  else world.unknown.set(id, left - 1)
  return true
}
