import type { Image } from '#clouds/types.ts'
import { namedUsers } from '#clouds/named-users.ts'
import type { Context } from '#src/context.ts'
import { machinesFromImage } from '../builders/machines.ts'
import type { AwsSettings } from '../settings.ts'

/**
 * The machines of this account that were started from an AMI and are not terminated, in words. They go on without it, but
 * nobody can start another one like them. Not seen: machines of accounts that the AMI is shared with, which EC2 shows to
 * nobody else, and launch templates and Auto Scaling groups that name it.
 */
export async function imageUsers(
  settings: AwsSettings,
  { region, id }: Pick<Image, 'region' | 'id'>,
  ctx: Context,
): Promise<string | undefined> {
  const machines = await machinesFromImage(settings, region, id, ctx)
  const ids = machines.map((machine) => machine.id).toSorted()
  return namedUsers('machine', ids, { one: 'was started from it', many: 'were started from it' })
}
