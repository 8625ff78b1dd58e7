import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CloudSettings } from '#clouds/index.ts'
import type { Cloud } from '#clouds/types.ts'
import { FactoryError } from '#src/errors.ts'
import { createBuilderPool } from './builders.ts'
import type { LibvirtConfiguration } from './config.ts'
import { doctor } from './doctor.ts'
import { type Hypervisor, openHypervisor } from './hypervisor.ts'
import { createImageStore } from './images.ts'
import type { LibvirtSettings } from './settings.ts'
import { removeAbandonedDirectories } from './temporary.ts'
import { type WatchPace, watchPace as usualPace } from './watchdog.ts'

/** Hypervisors under libvirt as one cloud: each of them is a region for images, and all of them together rent builders. */
export async function createLibvirtCloud(
  name: string,
  configuration: LibvirtConfiguration,
  { owner, stateDirectory, watchPace = usualPace }: CloudSettings & { watchPace?: WatchPace },
): Promise<Cloud> {
  const directory = join(stateDirectory, 'clouds', name)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await removeAbandonedDirectories()
  const uris = [configuration.uri].flat()
  const hypervisors = await Promise.all(uris.map((uri) => openHypervisor(uri, directory)))
  assertDistinct(name, hypervisors)
  const settings: LibvirtSettings = {
    name,
    owner,
    configuration,
    hypervisors,
    stateDirectory: directory,
    watchPace,
  }
  return {
    name,
    kind: 'libvirt',
    doctor: (ctx) => doctor(settings, ctx),
    builders: createBuilderPool(settings),
    images: createImageStore(settings),
  }
}

function assertDistinct(name: string, hypervisors: readonly Hypervisor[]): void {
  const regions = hypervisors.map(({ region }) => region)
  const twice = regions.find((region, index) => regions.indexOf(region) !== index)
  if (twice === undefined) return
  throw new FactoryError({
    code: 'hypervisor-named-twice',
    message: `clouds.${name}.uri names the hypervisor ${twice} twice`,
    hint: 'Name every hypervisor once.',
    class: 'user',
  })
}
