import type { Call } from './call.ts'
import type { IbmConfiguration } from './config.ts'

/** What all parts of the adapter know about the cloud that they serve. */
export interface IbmSettings {
  /** The name in the user's configuration. */
  readonly name: string
  readonly owner: string
  readonly configuration: IbmConfiguration
  /** `region` of the configuration first, then the ones that get the same images. */
  readonly regions: readonly string[]
  /** One request to IBM Cloud, with our token. */
  readonly call: Call
  /** A directory of this cloud's own; losing it costs time and nothing else. */
  readonly stateDirectory: string
  /** Things a page of a listing that asks for a number; tests make it small. */
  readonly pageSize?: number
}
