import type { Cloud } from '#clouds/types.ts'
import type { Configuration } from '#src/config/types.ts'
import type { EngineParts } from '#src/release/scope.ts'
import { configuration } from '#test/release/planning.ts'
import type { Ledger } from './ledger.ts'
import type { Points } from './points.ts'
import type { CloudAccount, RunOptions } from './run.ts'
import { openScriptedBuilder, scriptedDisk } from './scripted-builder.ts'
import { scriptedCloud } from './scripted-cloud.ts'

/** What stands around the engine of a child: where machines and images are, and what happens on a machine. */
export interface Scene extends Pick<EngineParts, 'openBuilder' | 'disk'> {
  clouds: ReadonlyMap<string, Cloud>
}

export interface Props {
  options: RunOptions
  ledger: Ledger
  points: Points
}

/** What images are published to. */
export const imageDestination = 'lab'

/** The cloud that builders come from: the same one, but where an adapter takes no images. */
export function builderSource(cloud: CloudAccount | undefined): string {
  return cloud?.kind === 'ssh' ? 'hosts' : imageDestination
}

/** The scripted cloud, or a real adapter; what that needs is loaded only then. */
export async function sceneOf(props: Props): Promise<Scene> {
  const { options, ledger, points } = props
  if (options.cloud) return await (await import('./cloud-scene.ts')).cloudScene(props, options.cloud)
  const scripted = scriptedCloud(imageDestination, ledger, points, options.maxBuilders)
  return {
    clouds: new Map([[imageDestination, scripted]]),
    disk: scriptedDisk(),
    openBuilder: (ref) => Promise.resolve(openScriptedBuilder(ref, ledger, points)),
  }
}

/** Every architecture on machines of the one cloud, which gets all images and boots them. */
export function configurationOf({ directory, architectures, cloud }: RunOptions): Configuration {
  const stateDirectory = `${directory}/state`
  const { format = 'raw', owner } = cloud ?? {}
  return configuration({
    stateDirectory,
    image: { ...configuration().image, push: 'registry.example/lab' },
    architectures,
    builders: Object.fromEntries(architectures.map((arch) => [arch, [builderSource(cloud)]])),
    publish: [{ to: imageDestination, architectures, format, verify: true }],
    ...(owner === undefined ? {} : { owner }),
  })
}
