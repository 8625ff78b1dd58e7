import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { sshConfiguration } from '#clouds/ssh/config.ts'
import { createSshCloud } from '#clouds/ssh/index.ts'
import type { Pace } from '#clouds/ssh/settings.ts'
import type { BuilderSpec, Cloud } from '#clouds/types.ts'
import { type Access, makeAccess, secretsDirectory } from '#src/builder/keys.ts'
import type { BuildersFixture } from '#test/contract/builders.ts'
import type { Orders } from './ssh-orchestrator.ts'
import {
  type StandingHost,
  type StandingHostOptions,
  startStandingHost,
} from '#test/servers/standing-host.ts'

/** Quick enough for tests; what is waited for is the same. */
const pace: Pace = { connectLimitMs: 2_000, greetingLimitMs: 2_000, lookEveryMs: 200, keeperSeconds: 1 }

export interface SshFixture extends BuildersFixture {
  readonly hosts: readonly StandingHost[]
  /** The keys of a lease, as the engine makes them; every lease has its own. */
  accessOf(leaseId: string): Promise<Access>
  readonly stateDirectory: string
  readonly directory: string
  /** For a factory in a process of its own. */
  readonly orders: Pick<Orders, 'configuration' | 'settings'>
  /** An instance with other settings, of another factory when `change` says so. */
  openWith(change: Change): Promise<Cloud>
}

export interface Change {
  owner?: string
  stateDirectory?: string
  waitFor?: string
  slots?: number
  hosts?: readonly StandingHost[]
  pace?: Partial<Pace>
}

/** Standing hosts with a factory of their own. */
export async function createSshFixture(
  options: { count?: number; slots?: number; host?: StandingHostOptions } = {},
): Promise<SshFixture> {
  const hosts = await Promise.all(
    Array.from({ length: options.count ?? 1 }, () => startStandingHost(options.host)),
  )
  const directory = await mkdtemp(join(await secretsDirectory(), 'ssh-cloud-'))
  const accessOf = (leaseId: string) => makeAccess(join(directory, 'keys', leaseId))
  const owner = `test-${randomBytes(4).toString('hex')}`
  const user = options.host?.user ?? 'root'
  const written = (change: Change) => ({
    kind: 'ssh',
    user,
    waitFor: change.waitFor ?? '0s',
    hosts: {
      x86_64: (change.hosts ?? hosts).map(({ port, access: own }) => ({
        address: '127.0.0.1',
        port,
        hostKey: own.hostPublicKey,
        identityFile: own.privateKeyFile,
        slots: change.slots ?? options.slots ?? 1,
      })),
    },
  })
  const settingsWith = (change: Change) => ({
    owner: change.owner ?? owner,
    stateDirectory: change.stateDirectory ?? join(directory, 'state'),
    pace: { ...pace, ...change.pace },
  })
  const openWith = async (change: Change) =>
    await createSshCloud('standing', sshConfiguration.parse(written(change)), settingsWith(change))
  await mkdir(join(directory, 'keys'))
  const access = await accessOf('contract')
  const spec: BuilderSpec = { arch: 'x86_64', purpose: 'build', dataBytes: 0, leaseMs: 3_600_000, access }
  return {
    owner,
    directory,
    orders: { configuration: written({}), settings: settingsWith({}) },
    hosts,
    accessOf,
    spec,
    stateDirectory: join(directory, 'state'),
    open: () => openWith({}),
    openWith,
    async [Symbol.asyncDispose]() {
      for (const host of hosts) await host[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
