import type { Operation } from './call.ts'
import { endOfDryRun, isDryRun } from './dry-run.ts'
import { nameKey } from './image-names.ts'
import { needImage } from './image-view.ts'
import { need } from './query.ts'
import { Refusal } from './refusal.ts'
import type { World } from './world.ts'
import { ec2Answer } from './xml.ts'
import type { Node } from './xml.ts'

/** With its snapshots when that is asked for, which moto does not know: those that no other image is made of. */
export const deregisterImage: Operation = async (call, world) => {
  const { parameters, region } = call
  const id = need(parameters, 'ImageId')
  if (isDryRun(call)) await needImage(world, region, id)
  endOfDryRun(call)
  const record = world.images.get(id)
  await world.upstream.ec2(region, 'DeregisterImage', { ImageId: id })
  world.images.delete(id)
  if (record) world.imageNames.delete(nameKey(region, record.name))
  if (parameters['DeleteAssociatedSnapshots'] !== 'true')
    return ec2Answer('DeregisterImage', { return: 'true' })
  const results: Node[] = []
  for (const snapshotId of record?.snapshotIds ?? [])
    results.push({ snapshotId, returnCode: await deleteUnused(world, region, snapshotId) })
  return ec2Answer('DeregisterImage', { return: 'true', deleteSnapshotResultSet: { item: results } })
}

export const enableImageDeprecation: Operation = async (call, world) => {
  const id = need(call.parameters, 'ImageId')
  const at = need(call.parameters, 'DeprecateAt')
  if (Number.isNaN(Date.parse(at)) || Date.parse(at) < Date.now())
    throw new Refusal({
      code: 'InvalidParameterValue',
      message: `Value ( ${at} ) for parameter DeprecateAt is invalid.`,
    })
  await needImage(world, call.region, id)
  endOfDryRun(call)
  const record = world.images.get(id)
  if (record) record.deprecationTime = new Date(at).toISOString()
  return ec2Answer('EnableImageDeprecation', { return: 'true' })
}

export const disableImageDeprecation: Operation = async (call, world) => {
  const id = need(call.parameters, 'ImageId')
  await needImage(world, call.region, id)
  endOfDryRun(call)
  delete world.images.get(id)?.deprecationTime
  return ec2Answer('DisableImageDeprecation', { return: 'true' })
}

async function deleteUnused(world: World, region: string, snapshotId: string): Promise<string> {
  const isUsed = [...world.images.values()].some(
    (image) => image.region === region && image.snapshotIds.includes(snapshotId),
  )
  if (isUsed) return 'skipped'
  await world.upstream.ec2(region, 'DeleteSnapshot', { SnapshotId: snapshotId })
  world.snapshots.delete(snapshotId)
  return 'success'
}
