import type { AwsConfiguration } from './config.ts'
import type { RegionClients } from './clients.ts'

/** What all parts of the adapter know about the cloud that they serve. */
export interface AwsSettings {
  /** The name in the user's configuration. */
  readonly name: string
  readonly owner: string
  readonly configuration: AwsConfiguration
  /** `region` of the configuration first, then the ones that images are copied to. */
  readonly regions: readonly string[]
  clients(region: string): RegionClients
  /** A directory of this cloud's own; losing it costs time and nothing else. */
  readonly stateDirectory: string
  /** Things a page of a listing that asks for a number; tests make it small. */
  readonly pageSize?: number
}
