import type { OpenstackConfiguration } from './config.ts'
import type { Session } from './session.ts'

/** What all parts of the adapter know about the cloud that they serve. */
export interface OpenstackSettings {
  /** The name in the user's configuration. */
  readonly name: string
  readonly owner: string
  readonly configuration: OpenstackConfiguration
  /** `region` of the configuration first, then the ones that images are sent to as well. */
  readonly regions: readonly string[]
  readonly session: Session
  /** A directory of this cloud's own; losing it costs time and nothing else. */
  readonly stateDirectory: string
  /** Things a page of a listing that asks for a number; tests make it small. */
  readonly pageSize?: number | undefined
}
