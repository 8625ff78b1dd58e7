import { TerminateInstancesCommand } from '@aws-sdk/client-ec2'
import type { Context } from '#src/context.ts'
import { call } from '../call.ts'
import { isNotFound } from '../failures.ts'
import type { AwsSettings } from '../settings.ts'

/** Ends machines for good; one that is not there has ended. Returns when EC2 has taken it up, not when it is done. */
export async function terminate(
  settings: AwsSettings,
  region: string,
  ids: readonly string[],
  ctx: Pick<Context, 'signal'>,
): Promise<void> {
  const { ec2 } = settings.clients(region)
  // One by one: of several, one that is not there would keep the others running.
  for (const id of ids) {
    try {
      await call(`ending ${id}`, region, ctx, (options) =>
        ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }), options),
      )
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }
}
