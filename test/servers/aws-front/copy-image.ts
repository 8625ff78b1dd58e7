import type { Operation } from './call.ts'
import { endOfDryRun, isDryRun } from './dry-run.ts'
import { needFreeName, withName } from './image-names.ts'
import { needImage } from './image-view.ts'
import { keep } from './images.ts'
import { createTagsParameters, fingerprint, need, tagSpecifications } from './query.ts'
import { Refusal } from './refusal.ts'
import { idempotentMismatch } from './tokens.ts'
import type { World } from './world.ts'
import { ec2Answer, items, tagsIn, text } from './xml.ts'
import type { Node } from './xml.ts'

/** The call goes to the region that gets the copy; its snapshots have the source's blocks, which moto does not copy. */
export const copyImage: Operation = async (call, world) => {
  const { parameters, region } = call
  const name = need(parameters, 'Name')
  const sourceRegion = need(parameters, 'SourceRegion')
  const sourceId = need(parameters, 'SourceImageId')
  const source = await needImage(world, sourceRegion, sourceId)
  if (text(source, 'imageState') !== 'available')
    throw new Refusal({
      code: 'InvalidAMIID.Unavailable',
      message: `The image ID '${sourceId}' is not available`,
    })
  if (isDryRun(call)) needFreeName(world, region, name)
  endOfDryRun(call)
  const id = await world.tokens.once({
    scope: `CopyImage ${region}`,
    token: parameters['ClientToken'],
    fingerprint: fingerprint(parameters),
    mismatch: idempotentMismatch,
    first: async () => {
      const { image: tags = {}, snapshot: snapshotTags = {} } = tagSpecifications(parameters)
      const made = await withName(world, region, name, async () =>
        text(
          await world.upstream.ec2(region, 'CopyImage', parametersFor(name, sourceRegion, sourceId)),
          'imageId',
        ),
      )
      const copies = await copySnapshots(world, region, sourceRegion, source, snapshotTags)
      const isTagged = parameters['CopyImageTags'] === 'true'
      const record = await keep(
        world,
        {
          id: made,
          region,
          name,
          shown: shownCopy(source, copies, parameters['Description']),
          snapshotIds: [...copies.values()],
        },
        { ...(isTagged ? tagsIn(source) : {}), ...tags },
      )
      if (world.settings.failingCopies.includes(region)) record.outcome = 'failed'
      return made
    },
  })
  return ec2Answer('CopyImage', { imageId: id })
}

function parametersFor(Name: string, SourceRegion: string, SourceImageId: string) {
  return { Name, SourceRegion, SourceImageId }
}

/** The copies by the ids of their sources; pending until the image is available. */
async function copySnapshots(
  world: World,
  region: string,
  sourceRegion: string,
  source: Node,
  tags: Readonly<Record<string, string>>,
): Promise<Map<string, string>> {
  const copies = new Map<string, string>()
  for (const mapping of items(source['blockDeviceMapping'])) {
    const sourceId = text(mapping, 'ebs.snapshotId')
    if (sourceId === undefined) continue
    const answer = await world.upstream.ec2(region, 'CopySnapshot', {
      SourceRegion: sourceRegion,
      SourceSnapshotId: sourceId,
      Description: `Copied from SourceAmi ${text(source, 'imageId')} for SourceSnapshot ${sourceId}`,
    })
    const id = text(answer, 'snapshotId') ?? ''
    copies.set(sourceId, id)
    if (Object.keys(tags).length > 0)
      await world.upstream.ec2(region, 'CreateTags', createTagsParameters([id], tags))
    const blocks = world.snapshots.get(sourceId)
    if (!blocks) continue
    const isPending = world.settings.polls.image > 0
    world.snapshots.set(id, {
      ...blocks,
      id,
      region,
      phase: isPending ? 'sealed' : 'completed',
      pollsLeft: Number.POSITIVE_INFINITY,
    })
  }
  return copies
}

/** Permissions and deprecation stay behind: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/CopyingAMIs.html */
function shownCopy(source: Node, copies: ReadonlyMap<string, string>, description: string | undefined): Node {
  const kept = [
    'architecture',
    'virtualizationType',
    'bootMode',
    'enaSupport',
    'imdsSupport',
    'sriovNetSupport',
    'tpmSupport',
    'rootDeviceName',
    'rootDeviceType',
    'description',
  ]
  const attributes = Object.fromEntries(kept.map((name) => [name, source[name]]))
  const item = items(source['blockDeviceMapping']).map((mapping) => {
    const ebs = mapping['ebs'] as Node
    const snapshotId = copies.get(text(mapping, 'ebs.snapshotId') ?? '')
    return { ...mapping, ebs: { ...ebs, snapshotId } }
  })
  const said = description === undefined ? {} : { description }
  return { ...attributes, ...said, blockDeviceMapping: { item } }
}
