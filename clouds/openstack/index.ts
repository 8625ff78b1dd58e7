import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CloudSettings } from '#clouds/index.ts'
import type { Cloud } from '#clouds/types.ts'

import { createBuilderPool } from './builders/pool.ts'
import type { OpenstackConfiguration } from './config.ts'
import { findIdentity } from './credentials.ts'
import { doctor } from './doctor.ts'
import { openstackEnvironment } from './environment.ts'
import { createImageStore } from './images/store.ts'
import { createSession } from './session.ts'
import type { OpenstackSettings } from './settings.ts'

/** One project as a cloud: machines from its main region, images in that one and in the ones they are sent to as well. */
export async function createOpenstackCloud(
  name: string,
  configuration: OpenstackConfiguration,
  { owner, stateDirectory, pageSize }: CloudSettings & { pageSize?: number },
): Promise<Cloud> {
  const directory = join(stateDirectory, 'clouds', name)
  openstackEnvironment()
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const settings: OpenstackSettings = {
    name,
    owner,
    configuration,
    regions: [configuration.region, ...configuration.copyTo],
    session: createSession(() => findIdentity(configuration)),
    stateDirectory: directory,
    pageSize,
  }
  return {
    name,
    kind: 'openstack',
    doctor: (ctx) => doctor(settings, ctx),

    builders: createBuilderPool(settings),
    images: createImageStore(settings),
  }
}
