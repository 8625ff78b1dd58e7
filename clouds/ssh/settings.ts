import type { SshConfiguration } from './config.ts'
import type { Host } from './hosts.ts'

/** What every part of the adapter needs to know. */
export interface SshSettings {
  readonly name: string
  readonly owner: string
  readonly configuration: SshConfiguration
  readonly hosts: readonly Host[]
  /** This cloud's own directory: leases and quarantine. */
  readonly stateDirectory: string
  readonly pace: Pace
}

export interface Pace {
  /** Milliseconds that a host has to answer. */
  readonly connectLimitMs: number
  /** Milliseconds after which a connection on which its sshd has not said anything is given up for another one. */
  readonly greetingLimitMs: number
  /** Milliseconds between two looks for a free slot. */
  readonly lookEveryMs: number
  /** Seconds between two looks of a slot's keeper at the end of the lease. */
  readonly keeperSeconds: number
}

/** A host that is busy with builds, or emulated, takes its time to answer; nothing but its sshd answers at its port. */
export const usualPace: Pace = {
  connectLimitMs: 30_000,
  greetingLimitMs: 14_000,
  lookEveryMs: 10_000,
  keeperSeconds: 5,
}
