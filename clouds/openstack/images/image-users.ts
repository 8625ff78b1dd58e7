import type { Image } from '#clouds/types.ts'
import { namedUsers } from '#clouds/named-users.ts'
import type { Context } from '#src/context.ts'
import { machinesFromImage } from '../builders/machines.ts'
import { volumesFromImage } from '../builders/volumes.ts'
import type { OpenstackSettings } from '../settings.ts'

/**
 * The servers and volumes of the project that were made from an image, in words. Only some back ends refuse to remove such
 * an image; on the others a server can no longer be rebuilt or moved. Not seen: what other projects that the image is
 * shared with made of it.
 */
export async function imageUsers(
  settings: OpenstackSettings,
  { region, id }: Pick<Image, 'region' | 'id'>,
  ctx: Context,
): Promise<string | undefined> {
  const machines = await machinesFromImage(settings, region, id, ctx)
  if (machines.length > 0)
    return namedUsers('machine', machines, { one: 'was started from it', many: 'were started from it' })
  const volumes = await volumesFromImage(settings, region, id, ctx)
  return namedUsers('volume', volumes, { one: 'was made from it', many: 'were made from it' })
}
