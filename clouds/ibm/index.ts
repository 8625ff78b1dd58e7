import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CloudSettings } from '#clouds/index.ts'
import type { Cloud } from '#clouds/types.ts'
import { createBuilderPool } from './builders/pool.ts'
import { openCall } from './call.ts'
import type { IbmConfiguration } from './config.ts'
import { readApiKey } from './credentials.ts'
import { doctor } from './doctor.ts'
import { completePolicy } from './doctor/policy.ts'
import { endpointOf } from './endpoints.ts'
import { createImageStore } from './images/store.ts'
import type { IbmSettings } from './settings.ts'
import { openTokens } from './token.ts'

/** One account as a cloud: machines from its main region, images in that one and in the further ones. */
export async function createIbmCloud(
  name: string,
  configuration: IbmConfiguration,
  { owner, stateDirectory }: CloudSettings,
): Promise<Cloud> {
  const directory = join(stateDirectory, 'clouds', name)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const settings = ibmSettings(name, configuration, owner, directory)
  return {
    name,
    kind: 'ibm',
    doctor: (ctx) => doctor(settings, ctx),
    policy: () => completePolicy(settings),
    builders: createBuilderPool(settings),
    images: createImageStore(settings),
  }
}

/** What all parts of the adapter know; `stateDirectory` is the cloud's own. */
export function ibmSettings(
  name: string,
  configuration: IbmConfiguration,
  owner: string,
  stateDirectory: string,
): IbmSettings {
  const { endpoints } = configuration
  const iam = endpointOf(endpoints, 'iam', configuration.region)
  return {
    name,
    owner,
    configuration,
    regions: [...new Set([configuration.region, ...configuration.copyTo])],
    call: openCall(
      endpoints,
      openTokens(iam, () => readApiKey(configuration, name)),
    ),
    stateDirectory,
  }
}
