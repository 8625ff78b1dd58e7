import type { Call } from './call.ts'
import { noSuchImage } from './image-view.ts'
import { noSuchInstance } from './instance-view.ts'
import { Refusal } from './refusal.ts'
import { noSuchSnapshot } from './snapshots.ts'
import { isUnknown } from './world.ts'
import type { World } from './world.ts'

/** Refuses a call that names something which was made a moment ago and is not known everywhere yet. */
export function needAllKnown({ service, action, parameters }: Call, world: World): void {
  if (world.unknown.size === 0 || (service !== 'ec2' && service !== 'ebs')) return
  // Those that describe decide for each thing whether it can be seen.
  if (/^Describe(Images|Snapshots|Instances)$/.test(action)) return
  for (const id of Object.values(parameters)) {
    if (!world.unknown.has(id) || !isUnknown(world, id)) continue
    if (service === 'ebs')
      throw new Refusal({
        code: 'ResourceNotFoundException',
        status: 404,
        reason: 'SNAPSHOT_NOT_FOUND',
        message: `The snapshot '${id}' does not exist.`,
      })
    if (id.startsWith('ami-')) throw noSuchImage(id)
    if (id.startsWith('snap-')) throw noSuchSnapshot(id)
    throw noSuchInstance(id)
  }
}
