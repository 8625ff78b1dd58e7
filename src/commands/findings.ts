import type { Finding } from '#clouds/types.ts'
import type { Configuration } from '#src/config/types.ts'
import type { Context } from '#src/context.ts'
import { asFactoryError } from '#src/errors.ts'
import { openOneCloud } from './clouds.ts'
import { hereFindings } from './doctor-here.ts'
import { notifyFindings } from './doctor-notify.ts'

export type Found = { cloud: string } & Finding

/**
 * Everything that a release would stumble over, beginning with its inputs; what fails is a finding, too. `inputs` and
 * `here` stand where the others have the name of their cloud.
 */
export async function findAll(
  configuration: Configuration,
  inputs: () => AsyncIterable<Finding>,
  ctx: Context,
): Promise<Found[]> {
  const found = await Promise.all([
    findingsOf('inputs', inputs),
    findingsOf('here', async function* () {
      yield* hereFindings(configuration)
      yield* notifyFindings(configuration.notify)
    }),
    ...Object.keys(configuration.clouds).map((name) =>
      findingsOf(name, async function* () {
        const cloud = await openOneCloud(configuration, name)
        yield* cloud.doctor(ctx)
      }),
    ),
  ])
  return found.flat()
}

async function findingsOf(cloud: string, look: () => AsyncIterable<Finding>): Promise<Found[]> {
  const found: Found[] = []
  try {
    for await (const finding of look()) found.push({ cloud, ...finding })
  } catch (caught) {
    const { message, hint } = asFactoryError(caught)
    const failed = { cloud, severity: 'error', subject: cloud, message } as const
    found.push(hint === undefined ? failed : { ...failed, hint })
  }
  return found
}
