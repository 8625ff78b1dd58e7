import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CloudSettings } from '#clouds/index.ts'
import type { Cloud } from '#clouds/types.ts'
import { createBuilderPool } from './builders/pool.ts'
import { awsClients } from './clients.ts'
import type { AwsConfiguration } from './config.ts'
import { doctor } from './doctor.ts'
import { completePolicy } from './doctor/policy.ts'
import { createImageStore } from './images/store.ts'
import type { AwsSettings } from './settings.ts'

/** One account as a cloud: machines from its main region, images in that one and in the ones they are copied to. */
export async function createAwsCloud(
  name: string,
  configuration: AwsConfiguration,
  { owner, stateDirectory }: CloudSettings,
): Promise<Cloud> {
  const directory = join(stateDirectory, 'clouds', name)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const settings: AwsSettings = {
    name,
    owner,
    configuration,
    regions: [...new Set([configuration.region, ...configuration.copyTo])],
    clients: awsClients(configuration),
    stateDirectory: directory,
  }
  return {
    name,
    kind: 'aws',
    doctor: (ctx) => doctor(settings, ctx),
    policy: () => completePolicy(settings),
    builders: createBuilderPool(settings),
    images: createImageStore(settings),
  }
}
