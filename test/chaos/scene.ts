import type { Cloud } from '#clouds/types.ts'
import type { Configuration } from '#src/config/types.ts'
import type { EngineParts } from '#src/release/scope.ts'
import { configuration } from '#test/release/planning.ts'
import type { Ledger } from './ledger.ts'
import type { Points } from './points.ts'
import type { RunOptions } from './run.ts'
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

/** The scripted cloud, or AWS where the options name an endpoint; its SDK is loaded only then. */
export async function sceneOf(props: Props): Promise<Scene> {
  const { options, ledger, points } = props
  if (options.aws) return await (await import('./aws-scene.ts')).awsScene(props, options.aws)
  return {
    clouds: new Map([['lab', scriptedCloud('lab', ledger, points, options.maxBuilders)]]),
    disk: scriptedDisk(),
    openBuilder: (ref) => Promise.resolve(openScriptedBuilder(ref, ledger, points)),
  }
}

/** Every architecture on machines of the one cloud, which gets all images and boots them. */
export function configurationOf({ directory, architectures, aws }: RunOptions): Configuration {
  const stateDirectory = `${directory}/state`
  return configuration({
    stateDirectory,
    image: { ...configuration().image, push: 'registry.example/lab' },
    architectures,
    builders: Object.fromEntries(architectures.map((arch) => [arch, ['lab']])),
    publish: [{ to: 'lab', architectures, format: 'raw', verify: true }],
    ...(aws === undefined ? {} : { owner: aws.owner }),
  })
}
