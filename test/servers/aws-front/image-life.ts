import type { Operation } from './call.ts'
import { endOfDryRun, isDryRun } from './dry-run.ts'
import { nameKey } from './image-names.ts'
import { needImage } from './image-view.ts'
import { need } from './query.ts'
import { Refusal } from './refusal.ts'
import type { World } from './world.ts'
import { ec2Answer, text } from './xml.ts'
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
  const image = await needImage(world, call.region, id)
  const record = world.images.get(id)
  const latest = record?.deprecationTime ?? new Date(createdAt(image) + publicForMs).toISOString()
  if (isPublic(image) && Date.parse(at) > Date.parse(latest)) throw onlyPrivate(id)
  endOfDryRun(call)
  if (record) record.deprecationTime = new Date(at).toISOString()
  return ec2Answer('EnableImageDeprecation', { return: 'true' })
}

export const disableImageDeprecation: Operation = async (call, world) => {
  const id = need(call.parameters, 'ImageId')
  if (isPublic(await needImage(world, call.region, id))) throw onlyPrivate(id)
  endOfDryRun(call)
  delete world.images.get(id)?.deprecationTime
  return ec2Answer('DisableImageDeprecation', { return: 'true' })
}

/** From then on an image is public, and AWS itself deprecates it two years after its making, if nothing else does before. */
export function endPublic(world: World, image: Node): void {
  const record = world.images.get(text(image, 'imageId') ?? '')
  if (!record) return
  const end = new Date(createdAt(image) + publicForMs).toISOString()
  const { deprecationTime = end } = record
  record.deprecationTime = deprecationTime < end ? deprecationTime : end
}

const publicForMs = 2 * 365 * 86_400_000

function isPublic(image: Node): boolean {
  return text(image, 'isPublic') === 'true'
}

function createdAt(image: Node): number {
  return Date.parse(text(image, 'creationDate') ?? '')
}

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-deprecate.html has the rule, and no name for the refusal. */
function onlyPrivate(id: string): Refusal {
  const message = `The deprecation of ${id} can be cleared or be made later only while it is private`
  return new Refusal({ code: 'InvalidParameterCombination', message })
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
