import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CloudSettings } from '#clouds/index.ts'
import type { Cloud } from '#clouds/types.ts'
import { createBuilderPool } from './builders.ts'
import type { SshConfiguration } from './config.ts'
import { doctor } from './doctor.ts'
import { hostsOf } from './hosts.ts'
import { type Pace, type SshSettings, usualPace } from './settings.ts'

/** Hosts that stand there already as a cloud: it lends builders and takes no images. */
export async function createSshCloud(
  name: string,
  configuration: SshConfiguration,
  { owner, stateDirectory, pace = usualPace }: CloudSettings & { pace?: Pace },
): Promise<Cloud> {
  const directory = join(stateDirectory, 'clouds', name)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const hosts = hostsOf(name, configuration)
  const settings: SshSettings = { name, owner, configuration, hosts, stateDirectory: directory, pace }
  return {
    name,
    kind: 'ssh',
    doctor: (ctx) => doctor(settings, ctx),
    builders: createBuilderPool(settings),
  }
}
