import type { LibvirtConfiguration } from './config.ts'
import type { Hypervisor } from './hypervisor.ts'
import type { WatchPace } from './watchdog.ts'

/** What all parts of the adapter know about the cloud that they serve. */
export interface LibvirtSettings {
  /** The name in the user's configuration. */
  readonly name: string
  readonly owner: string
  readonly configuration: LibvirtConfiguration
  readonly hypervisors: readonly Hypervisor[]
  /** A directory of this cloud's own; losing it costs time and nothing else. */
  readonly stateDirectory: string
  readonly watchPace: WatchPace
}

/** The pool with the base disks and the disks of builders. */
export function builderPoolName({ configuration }: LibvirtSettings): string {
  return configuration.builderPool ?? configuration.pool
}
