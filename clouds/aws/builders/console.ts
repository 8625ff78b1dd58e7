import { GetConsoleOutputCommand } from '@aws-sdk/client-ec2'
import { printable } from '#src/builder/text.ts'
import type { Context } from '#src/context.ts'
import { call } from '../call.ts'
import { awsErrorName } from '../failures.ts'
import { readRecord } from './lease-record.ts'
import { machinesOfLease } from './machines.ts'
import type { AwsSettings } from '../settings.ts'

const mostCharacters = 16 * 1024

/**
 * The last text on the console of a lease's machine, also of one that ended within the last hour. What a guest writes is
 * not to be trusted: escape sequences and control characters are taken out.
 */
export async function lastConsoleText(
  settings: AwsSettings,
  leaseId: string,
  ctx: Context,
): Promise<string | undefined> {
  const record = await readRecord(settings, leaseId)
  for (const region of record ? [record.region] : settings.regions) {
    const machines = await machinesOfLease(settings, region, leaseId, ctx)
    const last = machines.toSorted((a, b) => a.startedAt - b.startedAt).at(-1)
    if (!last) continue
    const text = await output(settings, region, last.id, ctx)
    return text.split(/\r?\n/).map(printable).join('\n').slice(-mostCharacters).trimEnd() || undefined
  }
  return undefined
}

/** What stands there now; machines of older types only tell what stood there some minutes ago. */
async function output(settings: AwsSettings, region: string, id: string, ctx: Context): Promise<string> {
  const ask = async (Latest: boolean) => {
    const { ec2 } = settings.clients(region)
    const answer = await call(`reading the console of ${id}`, region, ctx, (options) =>
      ec2.send(new GetConsoleOutputCommand({ InstanceId: id, Latest }), options),
    )
    return Buffer.from(answer.Output ?? '', 'base64').toString()
  }
  try {
    return await ask(true)
  } catch (error) {
    if (awsErrorName(error) !== 'UnsupportedOperation') throw error
    return await ask(false)
  }
}
